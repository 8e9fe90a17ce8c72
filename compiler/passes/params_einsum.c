#include <string.h>

#include "passes/params.h"

/* Reading an equation: letters get labels as they come, dimensions of an
 * ellipsis those from FIRST_DOTS on, counted from the last. */
enum { FIRST_DOTS = EINSUM_MAX_LABEL - TENSOR_MAX_RANK };

struct equation {
    const char *at;
    uint8_t label[128]; /* of a letter, plus 1 */
    char letter[EINSUM_MAX_LABEL];
    uint32_t n_label;
    uint32_t n_use[EINSUM_MAX_LABEL];
    uint32_t n_dots; /* most dimensions of an ellipsis */
};

static char peek(struct equation *r)
{
    while (*r->at == ' ') {
        r->at++;
    }
    return *r->at;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The labels of one term. An ellipsis stands for `dots` dimensions. */
static bool read_term(struct equation *r, uint32_t dots, uint8_t *label,
                      uint32_t *n)
{
    bool has_dots = false;
    *n = 0;
    for (char c = peek(r); c == '.' || is_letter(c); c = peek(r)) {
        const uint32_t more = c == '.' ? dots : 1;
        if (*n + more > TENSOR_MAX_RANK ||
            (c == '.' && (has_dots || strncmp(r->at, "...", 3) != 0))) {
            return false;
        }
        r->at += c == '.' ? 3 : 1;
        has_dots = has_dots || c == '.';
        for (uint32_t k = 0; c == '.' && k < dots; k++) {
            label[(*n)++] = (uint8_t)(FIRST_DOTS + dots - 1 - k);
        }
        if (c != '.') {
            uint8_t *const known = &r->label[(unsigned char)c];
            if (*known == 0) {
                r->letter[r->n_label] = c;
                *known = (uint8_t)++r->n_label; /* 52 letters at most */
            }
            r->n_use[*known - 1]++;
            label[(*n)++] = (uint8_t)(*known - 1);
        }
    }
    return true;
}

/* Letters in the term ahead. */
static uint32_t count_letters(struct equation *r)
{
    uint32_t n = 0;
    for (const char *c = r->at; *c && *c != ',' && *c != '-'; c++) {
        n += is_letter(*c);
    }
    return n;
}

/* Without an arrow: the ellipsis, then letters used once, by the alphabet. */
static bool implied(const struct equation *r, struct einsum_params *p)
{
    p->out_rank = 0;
    if (r->n_dots > TENSOR_MAX_RANK) {
        return false;
    }
    for (uint32_t k = r->n_dots; k-- > 0;) {
        p->out[p->out_rank++] = (uint8_t)(FIRST_DOTS + k);
    }
    for (char c = 'A'; c <= 'z'; c++) {
        const uint8_t known = r->label[(unsigned char)c];
        if (known && r->n_use[known - 1] == 1) {
            if (p->out_rank == TENSOR_MAX_RANK) {
                return false;
            }
            p->out[p->out_rank++] = (uint8_t)(known - 1);
        }
    }
    return true;
}

static bool read_equation(const struct graph *g, const struct node *n,
                          struct equation *r, struct einsum_params *p)
{
    for (uint32_t i = 0; i < n->n_in; i++) {
        const struct value *const v = node_in(g, n, i);
        const uint32_t letters = count_letters(r);
        if (!v || letters > v->shape.rank) {
            return false;
        }
        const uint32_t dots = v->shape.rank - letters;
        if (!read_term(r, dots, p->in[i], &p->rank[i]) ||
            p->rank[i] != v->shape.rank ||
            peek(r) != (i + 1 < n->n_in ? ',' : *r->at)) {
            return false;
        }
        r->at += i + 1 < n->n_in;
        r->n_dots = dots > r->n_dots ? dots : r->n_dots;
    }
    if (peek(r) == '\0') {
        return implied(r, p);
    }
    if (strncmp(r->at, "->", 2) != 0) {
        return false;
    }
    r->at += 2;
    return read_term(r, r->n_dots, p->out, &p->out_rank) && peek(r) == '\0';
}

/* Sizes of labels: equal, or 1. Results have no label that no input has, and
 * none twice. */
static bool set_sizes(const struct graph *g, const struct node *n,
                      struct einsum_params *p)
{
    bool has[EINSUM_MAX_LABEL] = {false};
    for (uint32_t i = 0; i < p->n_in; i++) {
        const struct shape *const s = &node_in(g, n, i)->shape;
        for (uint32_t k = 0; k < p->rank[i]; k++) {
            int64_t *const dim = &p->dim[p->in[i][k]];
            if (has[p->in[i][k]] && *dim != s->dim[k] && *dim != 1 &&
                s->dim[k] != 1) {
                return false;
            }
            *dim = has[p->in[i][k]] && *dim != 1 ? *dim : s->dim[k];
            has[p->in[i][k]] = true;
        }
    }
    for (uint32_t k = 0; k < p->out_rank; k++) {
        if (!has[p->out[k]]) {
            return false;
        }
        has[p->out[k]] = false;
    }
    return true;
}

bool einsum_params(const struct graph *g, struct cx *cx, const struct node *n,
                   struct einsum_params *p)
{
    const char *const equation = node_string(n, "equation", "");
    struct equation r = {.at = equation};
    *p = (struct einsum_params){.n_in = n->n_in};
    if (n->n_in > EINSUM_MAX_IN || !read_equation(g, n, &r, p) ||
        !set_sizes(g, n, p)) {
        return node_error(cx, n, E_OP_ATTR,
                          "equation '%s' does not fit its inputs, or has more "
                          "than %d dimensions in a term",
                          equation, TENSOR_MAX_RANK);
    }
    return true;
}
