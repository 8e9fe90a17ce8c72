/* refrun.c - runs an ONNX model with the reference operators. */
#include "ref_graph.h"

#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_CAP = 4096, EXIT_SKIP = 77, MAX_IO = 64 };

static const char usage[] =
    "refrun MODEL.onnx [INPUT.pb|INPUT.npy]... [-o PREFIX] [--seed S]\n"
    "       [--shape NAME=1x3x224x224]...\n"
    "    Evaluates in double precision and writes PREFIX_I.npy (floats as\n"
    "    float32). Inputs that are not given are seeded random: see\n"
    "    ref_graph.h.\n"
    "refrun [--root DIR] --check TESTDIR...\n"
    "    Compares with stored outputs: TESTDIR/model.onnx,\n"
    "    test_data_set_N/{input,output}_I.pb and `tolerance`; a folder\n"
    "    without model.onnx is a folder of such. With --root, relative\n"
    "    TESTDIRs are below $FLEXC_TEST_DATA, else below DIR; exit 77 if that\n"
    "    is absent. Exit 5 if a comparison fails.\n";

struct options {
    const char *model;
    const char *input[MAX_IO];
    size_t n_inputs;
    const char *shape[MAX_IO];
    size_t n_shapes;
    const char *prefix;
    const char *root;
    uint64_t seed;
};

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

/* path[PATH_CAP]; empty if it does not fit, which no file is called. */
static void path_of(char *path, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const int len = vsnprintf(path, PATH_CAP, fmt, args);
    va_end(args);
    if (len < 0 || len >= PATH_CAP) {
        path[0] = '\0';
    }
}

static void free_all(struct ref_tensor **t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ref_tensor_free(t[i]);
    }
}

/* ---- check ---- */

struct tally {
    int n_passed;
    int n_failed;
    int n_skipped;
};

static struct ref_tolerance read_tolerance(const char *folder)
{
    char path[PATH_CAP];
    char rule[16] = "";
    struct ref_tolerance tol = {REF_TOL_ONNX, 0.0, 0.0};
    path_of(path, "%s/tolerance", folder);
    FILE *f = fopen(path, "r");
    if (!f) {
        return tol;
    }
    const int n = fscanf(f, "%15s %lf %lf", rule, &tol.a, &tol.b);
    fclose(f);
    if (n == 3 && strcmp(rule, "close") == 0) {
        tol.rule = REF_TOL_CLOSE;
    } else if (n == 2 && strcmp(rule, "steps") == 0) {
        tol.rule = REF_TOL_STEPS;
    } else if (n == 1 && strcmp(rule, "top1") == 0) {
        tol.rule = REF_TOL_TOP1;
    }
    return tol;
}

/* Runs one data set; *worst collects the largest error. */
static bool check_set(struct ref_graph *g, const char *folder, int set,
                      const struct ref_tolerance *tol, double *worst,
                      struct ref_error *err)
{
    char path[PATH_CAP];
    struct ref_tensor *in[MAX_IO] = {NULL};
    struct ref_tensor *out[MAX_IO] = {NULL};
    const size_t n_in = ref_graph_n_inputs(g);
    const size_t n_out = ref_graph_n_outputs(g);
    if (n_in > MAX_IO || n_out > MAX_IO) {
        snprintf(err->text, sizeof(err->text), "too many inputs or outputs");
        return false;
    }
    bool is_ok = true;
    for (size_t i = 0; i < n_in && is_ok; i++) {
        path_of(path, "%s/test_data_set_%d/input_%zu.pb", folder, set, i);
        in[i] = ref_tensor_read(path, err);
        is_ok = in[i] != NULL;
    }
    is_ok = is_ok &&
            ref_graph_run(g, (const struct ref_tensor *const *)in, out, err);
    for (size_t i = 0; i < n_out && is_ok; i++) {
        double error;
        path_of(path, "%s/test_data_set_%d/output_%zu.pb", folder, set, i);
        struct ref_tensor *want = ref_tensor_read(path, err);
        is_ok = want != NULL;
        if (is_ok && !ref_tensor_match(out[i], want, tol, &error)) {
            snprintf(err->text, sizeof(err->text),
                     "set %d output %zu ('%s'): error %.3g of max|want|", set,
                     i, ref_graph_output_name(g, i), error);
            is_ok = false;
        } else if (is_ok) {
            *worst = fmax(*worst, error);
        }
        ref_tensor_free(want);
    }
    free_all(in, n_in);
    free_all(out, n_out);
    return is_ok;
}

static void check_model(const char *folder, struct tally *tally)
{
    char path[PATH_CAP];
    struct ref_error err = {"no test_data_set_0", false};
    const struct ref_tolerance tol = read_tolerance(folder);
    const char *slash = strrchr(folder, '/');
    const char *name = slash ? slash + 1 : folder;
    double worst = 0.0;
    int n_sets = 0;
    path_of(path, "%s/model.onnx", folder);
    struct ref_graph *g = ref_graph_load(path, &err);
    bool is_ok = g != NULL;
    while (is_ok) {
        path_of(path, "%s/test_data_set_%d", folder, n_sets);
        if (!exists(path)) {
            break;
        }
        is_ok = check_set(g, folder, n_sets++, &tol, &worst, &err);
    }
    ref_graph_free(g);
    if (is_ok && n_sets > 0) {
        printf("%s ok, %d sets, max error %.2e of max|want|\n", name, n_sets,
               worst);
        tally->n_passed++;
    } else if (err.is_unsupported) {
        printf("%s unsupported %s\n", name, err.text);
        tally->n_skipped++;
    } else {
        printf("%s FAIL %s\n", name, err.text);
        tally->n_failed++;
    }
    fflush(stdout);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void check_folder(const char *folder, struct tally *tally)
{
    char path[PATH_CAP];
    struct dirent **list;
    path_of(path, "%s/model.onnx", folder);
    if (exists(path)) {
        check_model(folder, tally);
        return;
    }
    const int n = scandir(folder, &list, is_visible, alphasort);
    if (n < 0) {
        printf("%s FAIL no such folder\n", folder);
        tally->n_failed++;
        return;
    }
    for (int i = 0; i < n; i++) {
        path_of(path, "%s/%s/model.onnx", folder, list[i]->d_name);
        if (exists(path)) {
            path[strlen(path) - strlen("/model.onnx")] = '\0';
            check_model(path, tally);
        }
        free(list[i]);
    }
    free(list);
}

static int check(const struct options *o)
{
    char path[PATH_CAP];
    const char *given = getenv("FLEXC_TEST_DATA");
    const char *root = given && given[0] ? given : o->root;
    struct tally tally = {0, 0, 0};
    if (o->root && !exists(root)) {
        printf("skipped: no test data at '%s'; set FLEXC_TEST_DATA\n", root);
        return EXIT_SKIP;
    }
    for (size_t i = 0; i < o->n_inputs; i++) {
        const bool is_below = o->root && o->input[i][0] != '/';
        path_of(path, "%s%s%s", is_below ? root : "", is_below ? "/" : "",
                o->input[i]);
        check_folder(path, &tally);
    }
    printf("%d passed, %d failed, %d skipped\n", tally.n_passed, tally.n_failed,
           tally.n_skipped);
    return tally.n_failed > 0 || tally.n_passed == 0 ? 5 : 0;
}

/* ---- run ---- */

/* Applies `--shape NAME=1x2x3`; false if it does not parse. */
static bool fix_shape(const struct options *o, const char *name,
                      struct ref_shape *s)
{
    for (size_t i = 0; i < o->n_shapes; i++) {
        const char *eq = strrchr(o->shape[i], '=');
        const size_t len = eq ? (size_t)(eq - o->shape[i]) : 0;
        if (!eq || strlen(name) != len ||
            strncmp(name, o->shape[i], len) != 0) {
            continue;
        }
        s->rank = 0;
        do {
            char *end;
            const long v = strtol(eq + 1, &end, 10);
            if (end == eq + 1 || v < 0 || s->rank == REF_MAX_RANK) {
                return false;
            }
            s->dim[s->rank++] = v;
            eq = end;
        } while (*eq == 'x');
        return *eq == '\0';
    }
    return true;
}

static struct ref_tensor *make_input(const struct options *o,
                                     const struct ref_graph *g, size_t ix,
                                     struct ref_error *err)
{
    enum ref_type type;
    struct ref_shape shape;
    if (ix < o->n_inputs) {
        return ref_tensor_read(o->input[ix], err);
    }
    const char *name = ref_graph_input_name(g, ix);
    bool is_ok = ref_graph_input_type(g, ix, &type, &shape) &&
                 fix_shape(o, name, &shape);
    for (int i = 0; i < shape.rank && is_ok; i++) {
        is_ok = shape.dim[i] >= 0;
    }
    if (!is_ok) {
        snprintf(err->text, sizeof(err->text),
                 "input '%s' has no static shape: give --shape '%s=1x2x3'",
                 name, name);
        return NULL;
    }
    struct ref_tensor *t = ref_tensor_new(type, &shape);
    ref_tensor_random(t, o->seed, ix);
    return t;
}

static void describe(const struct ref_graph *g, size_t ix,
                     const struct ref_tensor *t)
{
    const int64_t n = ref_count(&t->shape);
    double lo = INFINITY;
    double hi = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        const double v = ref_is_float(t->type)
                             ? ((const double *)t->data)[i]
                             : (double)((const int64_t *)t->data)[i];
        lo = fmin(lo, v);
        hi = fmax(hi, v);
    }
    printf("%s ", ref_graph_output_name(g, ix));
    for (int i = 0; i < t->shape.rank; i++) {
        printf("%s%lld", i > 0 ? "x" : "", (long long)t->shape.dim[i]);
    }
    printf(" min %.9g max %.9g\n", lo, hi);
}

static int run(const struct options *o)
{
    struct ref_error err = {"", false};
    struct ref_graph *g = ref_graph_load(o->model, &err);
    struct ref_tensor *in[MAX_IO] = {NULL};
    struct ref_tensor *out[MAX_IO] = {NULL};
    const size_t n_in = g ? ref_graph_n_inputs(g) : 0;
    const size_t n_out = g ? ref_graph_n_outputs(g) : 0;
    bool is_ok = g && n_in <= MAX_IO && n_out <= MAX_IO && o->n_inputs <= n_in;
    if (g && !is_ok) {
        snprintf(err.text, sizeof(err.text), "the model has %zu inputs", n_in);
    }
    for (size_t i = 0; i < n_in && is_ok; i++) {
        in[i] = make_input(o, g, i, &err);
        is_ok = in[i] != NULL;
    }
    is_ok = is_ok &&
            ref_graph_run(g, (const struct ref_tensor *const *)in, out, &err);
    for (size_t i = 0; i < n_out && is_ok; i++) {
        char path[PATH_CAP];
        path_of(path, "%s_%zu.npy", o->prefix ? o->prefix : "", i);
        describe(g, i, out[i]);
        if (o->prefix && !ref_tensor_write_npy(path, out[i])) {
            snprintf(err.text, sizeof(err.text), "cannot write the output");
            is_ok = false;
        }
    }
    if (!is_ok) {
        fprintf(stderr, "refrun: %s\n", err.text);
    }
    free_all(in, MAX_IO);
    free_all(out, MAX_IO);
    ref_graph_free(g);
    return is_ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct options o;
    bool is_check = false;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(arg, "--check") == 0) {
            is_check = true;
        } else if (next && strcmp(arg, "-o") == 0) {
            o.prefix = argv[++i];
        } else if (next && strcmp(arg, "--root") == 0) {
            o.root = argv[++i];
        } else if (next && strcmp(arg, "--seed") == 0) {
            o.seed = strtoull(argv[++i], NULL, 0);
        } else if (next && strcmp(arg, "--shape") == 0 && o.n_shapes < MAX_IO) {
            o.shape[o.n_shapes++] = argv[++i];
        } else if (arg[0] == '-' || o.n_inputs == MAX_IO) {
            fputs(usage, stderr);
            return 2;
        } else if (!is_check && !o.model) {
            o.model = arg;
        } else {
            o.input[o.n_inputs++] = arg;
        }
    }
    if (is_check ? o.n_inputs == 0 : !o.model) {
        fputs(usage, stderr);
        return 2;
    }
    return is_check ? check(&o) : run(&o);
}
