#include "run/run_conform.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "run/run_compare.h"
#include "run/run_exec.h"
#include "run/run_model.h"
#include "run/run_onnx.h"

/* The second run shows what an inference leaves behind. */
enum { RUNS_OF_A_TEST = 2 };

/* Of ONNX TensorProto.DataType. */
enum { ONNX_I32 = 6, ONNX_I64 = 7 };

/* test_data_set_N */
struct data_set {
    struct run_tensor *input; /* one a graph input that is no initialiser */
    struct run_tensor *output;
    const char **input_path;
    bool is_done; /* in this try */
};

/* One folder. Its memory and diag are its own: what is wrong with one test
 * does not end the others. */
struct test {
    const struct run_args *args;
    const char *dir;
    const char *temp; /* folder for what is compiled; NULL until needed */
    struct arena keep;
    struct arena scratch;
    struct diag diag;
    struct cx cx;
    struct file_map file;
    struct run_onnx onnx;
    struct run_tolerance tol;
    struct data_set *set;
    uint32_t n_set;
    uint32_t cap_set;
    uint32_t n_compiled;     /* names the folders */
    const char *try_name;    /* "as given" or "weights constant" */
    const char *unsupported; /* operator that flexc does not do; NULL: none */
    const char *unsupported_try;
    bool *is_pinned;    /* per input: given to flexc as a constant */
    bool needs_const;   /* flexc ended for want of a constant: */
    const char *wanted; /* this tensor */
};

/* ---- reading a folder ---------------------------------------------------- */

static bool read_tensors(struct test *t, const char *dir, const char *what,
                         uint32_t n, struct run_tensor *out, const char **path)
{
    for (uint32_t i = 0; i < n; i++) {
        const char *file =
            arena_printf(&t->keep, "%s/%s_%" PRIu32 ".pb", dir, what, i);
        if (!file || !run_tensor_read(file, &t->cx, &out[i])) {
            return false;
        }
        if (path) {
            path[i] = file;
        }
    }
    return true;
}

static bool read_set(struct test *t, const char *dir)
{
    struct data_set *s = arena_push(&t->keep, t->set, &t->n_set, &t->cap_set);
    if (!s) {
        return false;
    }
    s->input = arena_new(&t->keep, struct run_tensor, t->onnx.n_input);
    s->output = arena_new(&t->keep, struct run_tensor, t->onnx.n_output);
    s->input_path = arena_new(&t->keep, const char *, t->onnx.n_input);
    return s->input && s->output && s->input_path &&
           read_tensors(t, dir, "input", t->onnx.n_input, s->input,
                        s->input_path) &&
           read_tensors(t, dir, "output", t->onnx.n_output, s->output, NULL);
}

static bool read_test(struct test *t)
{
    const char *model = path_join(&t->keep, t->dir, "model.onnx");
    if (!model || !file_map(model, &t->diag, &t->file) ||
        !run_onnx_scan(t->file.bytes, model, &t->cx, &t->onnx) ||
        !run_tolerance_read(t->dir, &t->cx, &t->tol)) {
        return false;
    }
    t->is_pinned = arena_new(&t->keep, bool, t->onnx.n_input);
    if (!t->is_pinned) {
        return false;
    }
    for (uint32_t i = 0;; i++) {
        const char *dir =
            arena_printf(&t->keep, "%s/test_data_set_%" PRIu32, t->dir, i);
        if (!dir) {
            return false;
        }
        if (!file_exists(dir)) {
            break;
        }
        if (!read_set(t, dir)) {
            return false;
        }
    }
    return t->n_set > 0 || diag_error(&t->diag, E_NO_FILE, at_file(t->dir),
                                      "has no test_data_set_0");
}

/* ---- compiling ----------------------------------------------------------- */

/* Errors that say that flexc does not do something, not that it did wrong. */
static bool is_unsupported(struct span id)
{
    static const enum diag_id ids[] = {E_OP_UNKNOWN, E_OP_ATTR, E_OPSET,
                                       E_UNSUPPORTED, E_NEEDS_CONST};
    for (uint32_t i = 0; i < ARRAY_LEN(ids); i++) {
        if (span_eq_str(id, diag_id_name(ids[i]))) {
            return true;
        }
    }
    return false;
}

/* Reads "PATH: node 'x' (Op): error id: text" of flexc's last words. */
static bool explain(struct test *t, const char *log, const char *model,
                    int code)
{
    static const char mark[] = "error ";
    const char *line = run_line(log, 0, &t->cx);
    const size_t prefix = strlen(model);
    if (strncmp(line, model, prefix) == 0 && line[prefix] == ':') {
        line += prefix + 1;
        line += strspn(line, " ");
    }
    const char *error = strstr(line, mark);
    const char *id = error ? error + sizeof mark - 1 : "";
    if (!is_unsupported((struct span){(const uint8_t *)id, strcspn(id, ":")})) {
        return diag_error(&t->diag, E_INPUT, at_none(),
                          "%s: flexc ends with code %d: %s", t->try_name, code,
                          line);
    }
    const char *quoted = strstr(error, "('");
    const char *end = quoted ? strstr(quoted, "')") : NULL;
    if (end && strncmp(id, "needs-const:", 12) == 0) {
        t->needs_const = true;
        t->wanted =
            arena_strndup(&t->keep, quoted + 2, (uint64_t)(end - quoted - 2));
    }
    const char *open = strchr(line, '(');
    const char *close = open ? strchr(open, ')') : NULL;
    const char *op =
        close && close < error
            ? arena_strndup(&t->keep, open + 1, (uint64_t)(close - open - 1))
            : arena_strdup(&t->keep, id);
    if (!t->unsupported) {
        t->unsupported = op;
        t->unsupported_try = t->try_name;
    }
    return false;
}

static bool add_shape(struct test *t, struct run_argv *v, const char *name,
                      const struct run_tensor *tensor)
{
    struct buf b;
    buf_init(&b, &t->scratch);
    buf_printf(&b, "%s=", name);
    for (uint32_t d = 0; d < tensor->rank; d++) {
        buf_printf(&b, "%s%" PRIu64, d ? "x" : "", tensor->dim[d]);
    }
    const bool ok = buf_ok(&b) && run_argv_add2(v, "--shape", buf_text(&b));
    buf_free(&b);
    return ok;
}

static bool add_const(struct test *t, struct run_argv *v, const char *name,
                      const char *path)
{
    const char *arg = arena_printf(&t->keep, "%s=@%s", name, path);
    return arg && run_argv_add2(v, "--const", arg);
}

/* Compiles `model` for the shapes of s and opens the result. */
static bool compile_once(struct test *t, const char *model, bool is_baked,
                         const struct data_set *s, struct run_model *out)
{
    const struct run_args *a = t->args;
    const char *dir =
        arena_printf(&t->keep, "%s/%" PRIu32, t->temp, t->n_compiled++);
    const char *log = path_join(&t->keep, t->temp, "log");
    struct run_compile c = {.model = model,
                            .budgets = a->budgets ? a->budgets : "max",
                            .is_compiled = a->cc,
                            .more = {.arena = &t->scratch},
                            .log = log};
    if (!dir || !log || !run_args_pass(a, &c.more)) {
        return false;
    }
    for (uint32_t i = 0; i < t->onnx.n_input; i++) {
        const struct run_onnx_input *in = &t->onnx.input[i];
        const bool is_input = !(is_baked && in->is_weight);
        /* A scalar has no shape to fix. */
        if (is_input && s->input[i].rank > 0 &&
            !add_shape(t, &c.more, in->name, &s->input[i])) {
            return false;
        }
        if (is_input && t->is_pinned[i] &&
            !add_const(t, &c.more, in->name, s->input_path[i])) {
            return false;
        }
    }
    int code = 0;
    if (!run_flexc(&c, dir, &t->cx, &code)) {
        return false;
    }
    const struct run_model_opt opt = {.is_compiled = a->cc,
                                      .isa = run_args_isa(a)};
    return code == 0 ? run_model_open(dir, &opt, &t->cx, out)
                     : explain(t, log, model, code);
}

/* Pins the tensor that flexc wants, or, as it is computed, all inputs that are
 * lists of integers. False when nothing new is pinned. */
static bool pin_more(struct test *t, const struct data_set *s)
{
    bool is_new = false;
    for (uint32_t i = 0; t->wanted && i < t->onnx.n_input; i++) {
        if (!t->is_pinned[i] && strcmp(t->onnx.input[i].name, t->wanted) == 0) {
            t->is_pinned[i] = true;
            return true;
        }
    }
    for (uint32_t i = 0; i < t->onnx.n_input; i++) {
        const struct run_tensor *const in = &s->input[i];
        const bool is_list =
            in->rank <= 1 && (in->dtype == ONNX_I64 || in->dtype == ONNX_I32);
        is_new = is_new || (is_list && !t->is_pinned[i]);
        t->is_pinned[i] = t->is_pinned[i] || is_list;
    }
    return is_new;
}

static bool has_pins(const struct test *t)
{
    for (uint32_t i = 0; i < t->onnx.n_input; i++) {
        if (t->is_pinned[i]) {
            return true;
        }
    }
    return false;
}

/* As compile_once, with inputs that decide shapes pinned to the data. */
static bool compile(struct test *t, const char *model, bool is_baked,
                    const struct data_set *s, struct run_model *out)
{
    const char *const unsupported = t->unsupported;
    bool ok = compile_once(t, model, is_baked, s, out);
    while (!ok && t->needs_const && pin_more(t, s)) {
        t->needs_const = false;
        t->unsupported = unsupported;
        ok = compile_once(t, model, is_baked, s, out);
    }
    return ok;
}

/* ---- running ------------------------------------------------------------- */

/* The data of each of the model's inputs, by name. */
static struct run_tensor *pick_inputs(struct test *t, const struct flx_model *m,
                                      const struct data_set *s)
{
    struct run_tensor *in = arena_new(&t->keep, struct run_tensor, m->n_input);
    for (uint32_t i = 0; in && i < m->n_input; i++) {
        if (!run_io_tensor(&m->input[i], &t->cx, &in[i])) {
            return NULL;
        }
        uint32_t k = 0;
        while (k < t->onnx.n_input &&
               strcmp(t->onnx.input[k].name, m->input[i].name) != 0) {
            k++;
        }
        if (k == t->onnx.n_input || s->input[k].dtype != in[i].dtype ||
            !run_tensor_same_shape(&s->input[k], &in[i])) {
            diag_error(&t->diag, E_INPUT, at_tensor(m->input[i].name),
                       "the compiled model takes an input that the data does "
                       "not have in this type and shape");
            return NULL;
        }
        in[i].data = s->input[k].data;
    }
    return in;
}

/* The first n along dimension dim of t. */
static bool cut_tensor(struct test *t, uint32_t dim, uint64_t n,
                       struct run_tensor *out)
{
    const uint64_t old = out->dim[dim];
    if (n > old) {
        return false;
    }
    uint64_t inner = run_type_of(out->dtype)->bytes;
    uint64_t outer = 1;
    for (uint32_t d = 0; d < out->rank; d++) {
        *(d < dim ? &outer : &inner) *= d == dim ? 1 : out->dim[d];
    }
    uint8_t *const data = arena_alloc(&t->keep, outer * n * inner, 8);
    if (!data) {
        return false;
    }
    for (uint64_t i = 0; i < outer; i++) {
        memcpy(data + i * n * inner, out->data + i * old * inner, n * inner);
    }
    out->dim[dim] = n;
    out->data = data;
    return run_tensor_count(out);
}

/* Output i as long as the output NAME.count.DIMENSION says, if there is one. */
static bool cut_output(struct test *t, const struct run_result *r, uint32_t i,
                       struct run_tensor *out)
{
    const char *const name = t->onnx.output[i];
    const size_t len = strlen(name);
    *out = r->output[i];
    for (uint32_t k = t->onnx.n_output; k < r->n_output; k++) {
        const char *const more = r->output[k].name;
        if (strncmp(more, name, len) == 0 &&
            strncmp(more + len, ".count.", 7) == 0) {
            const uint32_t dim = (uint32_t)(more[len + 7] - '0');
            const int64_t n = run_signed_at(&r->output[k], 0);
            return dim < out->rank && n >= 0 &&
                   cut_tensor(t, dim, (uint64_t)n, out);
        }
    }
    return true;
}

static bool check_result(struct test *t, const struct data_set *s,
                         const struct run_result *r)
{
    if (r->n_output < t->onnx.n_output) {
        return diag_error(&t->diag, E_MISMATCH, at_none(),
                          "%" PRIu32 " outputs, expected are %" PRIu32,
                          r->n_output, t->onnx.n_output);
    }
    if (r->n_step != r->head.n_step) {
        return diag_error(&t->diag, E_MISMATCH, at_none(),
                          "%" PRIu32 " steps, the plan has %" PRIu32, r->n_step,
                          r->head.n_step);
    }
    for (uint32_t i = 0; i < t->onnx.n_output; i++) {
        struct buf why;
        struct run_tensor got;
        if (!cut_output(t, r, i, &got)) {
            return diag_error(&t->diag, E_MISMATCH,
                              at_tensor(t->onnx.output[i]),
                              "its count is no size of it");
        }
        buf_init(&why, &t->scratch);
        if (!run_compare(&got, &s->output[i], &t->tol, &why)) {
            diag_error(&t->diag, E_MISMATCH, at_tensor(t->onnx.output[i]),
                       "%s, set %u, plan %" PRIu32 ": %s", t->try_name,
                       (unsigned)(s - t->set), r->plan, buf_text(&why));
        }
        buf_free(&why);
        if (t->diag.id != E_NONE) {
            return false;
        }
    }
    return true;
}

/* One data set under every plan: right, and the same bits. */
static bool run_set(struct test *t, const struct run_model *m,
                    struct data_set *s)
{
    const struct flx_model *const tables = m->tables;
    struct run_result first = {0};
    assert(tables); /* compile() said so */
    struct run_setup setup = {
        .model = m,
        .n_thread = t->args->threads,
        .store = t->args->store,
        .n_run = RUNS_OF_A_TEST,
        .input = pick_inputs(t, tables, s),
    };
    s->is_done = true;
    if (!setup.input) {
        return false;
    }
    for (uint32_t i = 0; i < tables->n_plan; i++) {
        struct run_result r;
        setup.plan = i;
        if (!run_exec(&setup, &t->cx, &r) || !check_result(t, s, &r)) {
            return false;
        }
        if (i == 0) {
            first = r;
        }
        for (uint32_t k = 0; k < r.n_output; k++) {
            if (strcmp(r.sha256[k], first.sha256[k]) != 0) {
                return diag_error(
                    &t->diag, E_MISMATCH, at_tensor(t->onnx.output[k]),
                    "%s, set %u: plans 0 and %" PRIu32 " give other bits",
                    t->try_name, (unsigned)(s - t->set), i);
            }
        }
    }
    return true;
}

/* ---- the two tries ------------------------------------------------------- */

static bool same_shapes(const struct test *t, const struct data_set *a,
                        const struct data_set *b)
{
    for (uint32_t i = 0; i < t->onnx.n_input; i++) {
        if (!run_tensor_same_shape(&a->input[i], &b->input[i])) {
            return false;
        }
    }
    return true;
}

static bool try_as_given(struct test *t)
{
    const char *model = path_join(&t->keep, t->dir, "model.onnx");
    t->try_name = "as given";
    for (uint32_t i = 0; model && i < t->n_set; i++) {
        struct run_model m = {0};
        if (t->set[i].is_done) {
            continue;
        }
        if (!compile(t, model, false, &t->set[i], &m)) {
            return false;
        }
        bool ok = true;
        for (uint32_t k = i; ok && k < t->n_set; k++) {
            if (k > i && has_pins(t)) {
                break; /* another set has other values */
            }
            if (!t->set[k].is_done && same_shapes(t, &t->set[i], &t->set[k])) {
                ok = run_set(t, &m, &t->set[k]);
            }
        }
        run_model_close(&m);
        if (!ok) {
            return false;
        }
    }
    return model;
}

/* Writes the model with the weights of s inside. */
static bool bake(struct test *t, const struct data_set *s, const char *path)
{
    const uint32_t n = t->onnx.n_input;
    struct file_map *map = arena_new(&t->keep, struct file_map, n);
    struct span *value = arena_new(&t->keep, struct span, n);
    struct buf b;
    bool ok = map && value;
    buf_init(&b, &t->scratch);
    for (uint32_t i = 0; ok && i < n; i++) {
        ok = file_map(s->input_path[i], &t->diag, &map[i]);
        value[i] = map[i].bytes;
    }
    ok = ok && run_onnx_bake(&t->onnx, value, &t->cx, &b) &&
         file_write(path, buf_bytes(&b), &t->scratch, &t->diag);
    for (uint32_t i = 0; map && i < n; i++) {
        file_unmap(&map[i]);
    }
    buf_free(&b);
    return ok;
}

/* Each data set has weights of its own, so that each is compiled. Of a model
 * whose inputs are all weight-like nothing would be left to run. */
static bool try_with_constants(struct test *t)
{
    const char *model = path_join(&t->keep, t->temp, "model.onnx");
    uint32_t n_weight = 0;
    t->try_name = "weights constant";
    for (uint32_t i = 0; i < t->onnx.n_input; i++) {
        n_weight += t->onnx.input[i].is_weight;
    }
    if (n_weight == 0 || n_weight == t->onnx.n_input) {
        return true;
    }
    for (uint32_t i = 0; model && i < t->n_set; i++) {
        struct run_model m = {0};
        if (!bake(t, &t->set[i], model) ||
            !compile(t, model, true, &t->set[i], &m)) {
            return false;
        }
        const bool ok = run_set(t, &m, &t->set[i]);
        run_model_close(&m);
        if (!ok) {
            return false;
        }
    }
    return model;
}

/* ---- all folders --------------------------------------------------------- */

enum outcome { PASSED, FAILED, SKIPPED, N_OUTCOMES };

static const char *name_of(const char *dir, struct arena *a)
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    const char *copy = arena_strndup(a, dir, len);
    return copy ? path_base(copy) : "";
}

static enum outcome run_test(struct test *t, FILE *out)
{
    bool ok = read_test(t);
    if (ok) {
        t->temp = run_temp_make(&t->cx);
        /* What is not supported as given may be with constants, and then must
         * be right. */
        const bool as_given = t->temp && try_as_given(t);
        ok = t->temp && t->diag.id == E_NONE && try_with_constants(t) &&
             as_given;
    }
    run_temp_remove(t->temp, &t->cx);
    const char *name = name_of(t->dir, &t->scratch);
    if (ok) {
        (void)fprintf(out, "%s ok\n", name);
        return PASSED;
    }
    if (t->diag.id == E_NONE && t->unsupported) {
        (void)fprintf(out, "%s unsupported %s (%s)\n", name, t->unsupported,
                      t->unsupported_try);
        return SKIPPED;
    }
    if (t->diag.id == E_UNSUPPORTED) {
        (void)fprintf(out, "%s unsupported %s\n", name, t->diag.text);
        return SKIPPED;
    }
    char line[DIAG_LINE_CAP];
    (void)diag_format(&t->diag, line, sizeof line);
    (void)fprintf(out, "%s FAIL %s\n", name, line);
    return FAILED;
}

static enum outcome run_folder(const struct run_args *a, const char *dir,
                               struct undo *undo, FILE *out)
{
    struct test t = {.args = a, .dir = dir};
    diag_init(&t.diag);
    t.diag.undo = undo;
    arena_init(&t.keep, ARENA_NO_CAP, &t.diag);
    arena_init(&t.scratch, ARENA_NO_CAP, &t.diag);
    t.cx = (struct cx){&t.keep, &t.scratch, &t.diag, NULL};
    const enum outcome outcome = run_test(&t, out);
    (void)fflush(out);
    file_unmap(&t.file);
    arena_free(&t.scratch);
    arena_free(&t.keep);
    return outcome;
}

bool run_conform(const struct run_args *a, struct cx *cx, FILE *out)
{
    uint32_t n[N_OUTCOMES] = {0};
    if (!run_flexc_check(cx)) {
        return false;
    }
    for (uint32_t i = 0; i < a->path.n; i++) {
        n[run_folder(a, a->path.item[i], cx->diag->undo, out)]++;
    }
    (void)fprintf(
        out, "%" PRIu32 " passed, %" PRIu32 " failed, %" PRIu32 " skipped\n",
        n[PASSED], n[FAILED], n[SKIPPED]);
    if (fflush(out) != 0 || ferror(out)) {
        return diag_error(cx->diag, E_IO, at_none(),
                          "the lines of the tests cannot be written");
    }
    return n[FAILED] == 0 || diag_error(cx->diag, E_MISMATCH, at_none(),
                                        "%" PRIu32 " tests failed", n[FAILED]);
}
