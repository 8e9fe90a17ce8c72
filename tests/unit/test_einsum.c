/* test_einsum.c - Einsum against its definition: a sum over all labels. */
#include "support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/graph.h"
#include "ir/layer.h"
#include "passes/lower.h"
#include "passes/passes.h"
#include "support/layer_eval.h"
#include "support/onnx_text.h"

enum { MAX_TERM = 4, MAX_LABEL = 16, MAX_DIM = 6 };

/* Labels are letters here, those of an ellipsis capital ones that are written
 * out in `terms`; the last term is the result. */
struct einsum_case {
    const char *equation;
    const char *terms;
    const char *dims[MAX_TERM];
};

static const struct einsum_case cases[] = {
    {"ij,jk->ik", "ij jk ik", {"3x4", "4x5"}},
    {"ij,jk", "ij jk ik", {"3x4", "4x5"}},
    {"ba,cb", "ba cb ac", {"3x4", "5x3"}},
    {"bij,bjk->bik", "bij bjk bik", {"2x3x4", "2x4x5"}},
    {"bhqd,bhkd->bhqk", "bhqd bhkd bhqk", {"2x2x3x4", "2x2x5x4"}},
    {"ij->ji", "ij ji", {"3x4"}},
    {"ij->", "ij ", {"3x4"}},
    {"ij->j", "ij j", {"3x4"}},
    {"ii->i", "ii i", {"4x4"}},
    {"ii", "ii ", {"4x4"}},
    {"iji->j", "iji j", {"3x4x3"}},
    {"iij->ji", "iij ji", {"3x3x4"}},
    {"i,i->", "i i ", {"5", "5"}},
    {"i,j->ij", "i j ij", {"5", "3"}},
    {"i,j->ji", "i j ji", {"5", "3"}},
    {"ij,ij->ij", "ij ij ij", {"3x4", "3x4"}},
    {"ijk,k->ij", "ijk k ij", {"2x3x4", "4"}},
    {"ijk,jil->kl", "ijk jil kl", {"3x4x5", "4x3x2"}},
    {"ab,bc,cd->da", "ab bc cd da", {"2x3", "3x4", "4x5"}},
    {"a,ab,b->", "a ab b ", {"2", "2x3", "3"}},
    {"...ij,...jk->...ik", "XYij XYjk XYik", {"2x3x2x3", "2x3x3x4"}},
    {"...ij,jk->...ik", "Xij jk Xik", {"2x3x4", "4x5"}},
    {"i...->...", "iXY XY", {"2x3x4"}},
    {"...i", "XYi XYi", {"2x3x4"}},
    {" b i , i -> b ", "bi i b", {"3x4", "4"}},
    {"ij,kj->ijk", "ij kj ijk", {"3x4", "5x4"}},
};

static uint32_t parse_dims(const char *text, uint64_t *dim)
{
    uint32_t n = 0;
    while (*text) {
        char *end;
        dim[n++] = strtoull(text, &end, 10);
        text = *end ? end + 1 : end;
    }
    return n;
}

/* The index of an element of a term, for a choice of all labels. */
static uint64_t place(const char *term, size_t len, const uint64_t *size,
                      const uint64_t *at)
{
    uint64_t i = 0;
    for (size_t k = 0; k < len; k++) {
        i = i * size[(unsigned char)term[k]] + at[(unsigned char)term[k]];
    }
    return i;
}

static void check(struct fixture *f, const struct einsum_case *c)
{
    uint64_t size[128] = {0};
    uint64_t at[128] = {0};
    const char *term[MAX_TERM + 1];
    size_t len[MAX_TERM + 1];
    float data[MAX_TERM][512];
    const uint8_t *input[MAX_TERM];
    const uint8_t *got[1];
    double want[512] = {0};
    char text[512];
    char inputs[64] = "";
    uint32_t n = 0;
    const char *next = c->terms;
    fixture_restart(f, ARENA_NO_FAULT);
    int used = snprintf(text, sizeof text, "opset 13\noutput y\n");
    for (; n < MAX_TERM && c->dims[n]; n++) {
        uint64_t dim[MAX_DIM];
        const uint32_t rank = parse_dims(c->dims[n], dim);
        term[n] = next;
        len[n] = strcspn(next, " ");
        next += len[n] + 1;
        assert_int_equal(rank, len[n]);
        uint64_t count = 1;
        for (uint32_t k = 0; k < rank; k++) {
            size[(unsigned char)term[n][k]] = dim[k];
            count *= dim[k];
        }
        for (uint64_t i = 0; i < count; i++) {
            data[n][i] = (float)((double)((i * 37 + n * 11) % 19) - 9);
        }
        input[n] = (const uint8_t *)data[n];
        used += snprintf(text + used, sizeof text - (size_t)used,
                         "input x%u f32 %s\n", n, c->dims[n]);
        (void)snprintf(inputs + strlen(inputs), 16, " x%u", n);
    }
    term[n] = next;
    len[n] = strlen(next);
    /* Words of the text form have no blanks. */
    char equation[64];
    size_t k = 0;
    for (const char *p = c->equation; *p; p++) {
        equation[k] = *p;
        k += *p != ' ';
    }
    equation[k] = '\0';
    (void)snprintf(text + used, sizeof text - (size_t)used,
                   "Einsum e%s -> y equation=s:%s\n", inputs, equation);
    struct graph g;
    struct layers l;
    onnx_text_passes(f, text, &g);
    if (!lower(&g, &f->cx, &l) || !layers_check(&l, &f->cx)) {
        assert_no_diag(f);
    }
    /* Every choice of all labels once. */
    for (bool is_more = true; is_more;) {
        double product = 1;
        for (uint32_t i = 0; i < n; i++) {
            product *= (double)data[i][place(term[i], len[i], size, at)];
        }
        want[place(term[n], len[n], size, at)] += product;
        is_more = false;
        for (uint32_t i = 0; i < 128 && !is_more; i++) {
            if (size[i] > 0) {
                at[i] = (at[i] + 1) % size[i];
                is_more = at[i] != 0;
            }
        }
    }
    assert_true(layer_eval_knows(&l));
    const char *const wrong = layer_eval(&l, &f->keep, input, got);
    assert_null(wrong);
    uint64_t n_out;
    assert_true(shape_count(&l.output[0].shape, &n_out));
    assert_int_equal(l.output[0].shape.rank, len[n]);
    for (uint64_t i = 0; i < n_out; i++) {
        float y;
        memcpy(&y, got[0] + i * sizeof y, sizeof y);
        if ((double)y != want[i]) {
            fail_msg("%s: element %llu is %g, should be %g", c->equation,
                     (unsigned long long)i, (double)y, want[i]);
        }
    }
}

static void einsum__is_the_sum_over_its_labels(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check(*state, &cases[i]);
    }
}

static void einsum__refuses_equations_that_do_not_fit(void **state)
{
    struct fixture *f = *state;
    static const char *const equations[] = {
        "ij,jk->il",     "ijk,jk->ik",  "ij",
        "ij,jk,kl->il",  "i..j,jk->ik", "ij,jk->iik",
        "ij,kl->ijkl->", "ij;jk->ik",   "",
    };
    for (size_t i = 0; i < ARRAY_LEN(equations); i++) {
        char text[256];
        struct graph g;
        fixture_restart(f, ARENA_NO_FAULT);
        (void)snprintf(text, sizeof text,
                       "opset 13\ninput a f32 3x4\ninput b f32 4x5\noutput y\n"
                       "Einsum e a b -> y equation=s:%s\n",
                       equations[i]);
        assert_true(onnx_text_import(f, text, &g));
        assert_false(passes_run(&g, &f->cx, NULL, NULL));
        assert_diag(f, E_OP_ATTR, "e");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(einsum__is_the_sum_over_its_labels),
        FIXTURE_TEST(einsum__refuses_equations_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
