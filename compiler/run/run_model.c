#include "run/run_model.h"

#include <assert.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/le.h"
#include "flexrt/flexrt.h"
#include "flexrt/kernel_fields.h"
#include "flx_find.h"
#include "run/run_build.h"
#include "run/run_table.h"

struct flx_plan_head run_plan_head(const struct flx_model *m, uint32_t ix)
{
    struct flx_plan_head h;
    memcpy(&h, m->plan[ix], sizeof h);
    return h;
}

/* ---- a folder ------------------------------------------------------------ */

/* The stem of the one file of DIR that ends in `suffix`; *n tells how many
 * there are. NULL (reported) when the folder cannot be read. */
static const char *find_stem(const char *dir, const char *suffix, uint32_t *n,
                             struct cx *cx)
{
    DIR *d = opendir(dir);
    const char *stem = "";
    *n = 0;
    if (!d) {
        diag_error(cx->diag, errno == ENOENT ? E_NO_FILE : E_IO, at_file(dir),
                   "cannot open the folder: %s", strerror(errno));
        return NULL;
    }
    /* One thread reads this folder's own stream. */
    for (struct dirent *e; stem && (e = readdir(d));) {
        const size_t len = strlen(e->d_name);
        const size_t end = strlen(suffix);
        if (len > end && strcmp(e->d_name + len - end, suffix) == 0) {
            (*n)++;
            stem = arena_strndup(cx->keep, e->d_name, len - end);
        }
    }
    closedir(d);
    return stem;
}

/* The model's name in DIR: that of its blob, of its C with the blob inside, or
 * of its tables. */
static const char *find_name(const char *dir, bool *has_blob, struct cx *cx)
{
    uint32_t n = 0;
    const char *name = find_stem(dir, ".flxw", &n, cx);
    *has_blob = n == 1;
    if (name && n == 0) {
        name = find_stem(dir, ".c", &n, cx);
    }
    if (name && n == 0) {
        name = find_stem(dir, ".flxt", &n, cx);
    }
    if (name && n != 1) {
        diag_error(cx->diag, E_INPUT, at_file(dir),
                   n == 0 ? "holds no compiled model (NAME.flxw with NAME.c or "
                            "NAME.flxt); make one with flexc MODEL.onnx "
                            "--budgets LIST -o DIR"
                          : "holds more than one model; give each its own "
                            "folder");
        return NULL;
    }
    return name;
}

/* ---- table file and library ---------------------------------------------- */

static struct run_kernel find_kernel(const char *isa, uint32_t id)
{
    const struct flx_kernel_info *info = flx_kernel_info_find(id);
    return (struct run_kernel){flx_kernel_find(isa, id),
                               info ? info->n_word : 0};
}

static bool open_table(const char *path, const char *isa, struct cx *cx,
                       struct run_model *out)
{
    struct file_map map;
    if (!file_map(path, cx->diag, &map)) {
        return false;
    }
    const struct run_kernels kernels = {find_kernel, isa};
    const bool ok = run_table_parse(map.bytes, path, &kernels, cx, out);
    file_unmap(&map);
    return ok;
}

/* A library's model with several entries is an array of them. */
static bool open_entries(const char *name, struct cx *cx, struct run_model *m)
{
    const char *const symbol = arena_printf(cx->scratch, "%s_n_entry", name);
    const uint32_t *const n = symbol ? dlsym(m->library, symbol) : NULL;
    m->entry = m->tables;
    m->n_entry = n ? *n : 1;
    const struct flx_name **const layer =
        arena_new(cx->keep, const struct flx_name *, m->n_entry);
    for (uint32_t i = 0; layer && i < m->n_entry; i++) {
        const char *const names =
            m->entry[i].entry ? arena_printf(cx->scratch, "%s_names_%s", name,
                                             m->entry[i].entry)
                              : arena_printf(cx->scratch, "%s_names", name);
        if (!names) {
            return false;
        }
        layer[i] = dlsym(m->library, names);
    }
    m->entry_layer = layer;
    if (layer) {
        run_model_choose(m, 0);
    }
    return symbol && layer;
}

/* ---- the format's version ---- */

/* The number before anything else is looked at: what else there is differs. */
static bool is_our_version(const char *path, uint32_t version, struct cx *cx)
{
    return version == FLX_FORMAT_VERSION ||
           diag_error(cx->diag, E_TABLE, at_file(path),
                      "is of format version %" PRIu32 ", this program runs "
                      "version %d; compile the model again with this flexc",
                      version, FLX_FORMAT_VERSION);
}

/* The first line of NAME.c tells it, so that an old one is not built: its
 * tables may fit no structure. A line of another kind is no reason to refuse,
 * since the library tells it, too. */
static bool check_source(const char *source, struct cx *cx)
{
    static const char key[] = "; format ";
    const char *const at = strstr(run_line(source, 0, cx), key);
    char *end = NULL;
    const unsigned long version =
        at ? strtoul(at + sizeof key - 1, &end, 10) : 0;
    return !at || end == at + sizeof key - 1 ||
           is_our_version(source, (uint32_t)version, cx);
}

static bool open_library(const char *dir, const char *name, bool no_build,
                         struct cx *cx, struct run_model *out)
{
    const char *so = NULL;
    const char *symbol = arena_printf(cx->scratch, "%s_model", name);
    const char *blob = arena_printf(cx->scratch, "%s_blob", name);
    const char *peak = arena_printf(cx->scratch, "%s_peak", name);
    const char *stem = path_join(cx->scratch, dir, name);
    const char *source = arena_printf(cx->scratch, "%s.c", stem ? stem : "");
    if (!symbol || !blob || !peak || !stem || !source ||
        !check_source(source, cx) || !run_build(dir, name, no_build, cx, &so)) {
        return false;
    }
    out->library = dlopen(so, RTLD_NOW | RTLD_LOCAL);
    if (!out->library) {
        return diag_error(cx->diag, E_INPUT, at_file(so),
                          "cannot be loaded: %s; is it for another target?",
                          dlerror());
    }
    out->tables = dlsym(out->library, symbol);
    out->blob = dlsym(out->library, blob);
    const uint64_t *const peak_at = dlsym(out->library, peak);
    out->peak = peak_at ? *peak_at : 0;
    if (!out->tables) {
        run_model_close(out);
        return diag_error(cx->diag, E_INPUT, at_file(so),
                          "has no symbol %s; delete it, and %s.so.key", symbol,
                          name);
    }
    if (!is_our_version(so, out->tables->version, cx) ||
        !open_entries(name, cx, out)) {
        run_model_close(out);
        return false;
    }
    return true;
}

/* Names for reports, when a table file of the same model lies beside the C. */
static void add_names(const char *table, struct cx *cx, struct run_model *m)
{
    struct run_model other = {0};
    struct diag side;
    diag_init(&side);
    struct cx quiet = {cx->keep, cx->scratch, &side, NULL};
    assert(m->tables);
    if (file_exists(table) && open_table(table, NULL, &quiet, &other) &&
        other.n_entry == m->n_entry &&
        other.tables->n_layer == m->tables->n_layer &&
        memcmp(other.tables->id, m->tables->id, FLX_ID_BYTES) == 0) {
        m->layer = other.layer;
        m->entry_layer = other.entry_layer;
    }
}

bool run_model_open(const char *dir, const struct run_model_opt *opt,
                    struct cx *cx, struct run_model *out)
{
    struct run_model m = {0};
    bool has_blob = false;
    const char *name = find_name(dir, &has_blob, cx);
    if (!name) {
        return false;
    }
    const char *stem = path_join(cx->keep, dir, name);
    const char *table = arena_printf(cx->keep, "%s.flxt", stem ? stem : "");
    const char *source = arena_printf(cx->keep, "%s.c", stem ? stem : "");
    m.blob_path = arena_printf(cx->keep, "%s.flxw", stem ? stem : "");
    if (!stem || !table || !source || !m.blob_path) {
        return false;
    }
    const bool has_c = file_exists(source);
    const bool has_table = file_exists(table);
    if (!has_c && (!has_table || opt->is_compiled)) {
        return diag_error(cx->diag, E_NO_FILE, at_file(source),
                          "is not there%s; compile the model again",
                          has_table ? ", which --cc needs" : "");
    }
    if (has_table && !opt->is_compiled) {
        if (!open_table(table, opt->isa, cx, &m)) {
            return false;
        }
    } else {
        if (!open_library(dir, name, opt->no_build, cx, &m)) {
            return false;
        }
        add_names(table, cx, &m);
    }
    if (!has_blob && !m.blob) {
        diag_error(cx->diag, E_NO_FILE, at_file(m.blob_path),
                   "the weights are missing; compile the model again");
        run_model_close(&m);
        return false;
    }
    *out = m;
    return true;
}

void run_model_choose(struct run_model *m, uint32_t entry_ix)
{
    m->tables = &m->entry[entry_ix];
    m->layer = m->entry_layer[entry_ix];
}

void run_model_close(struct run_model *m)
{
    if (m->library) {
        dlclose(m->library);
    }
    *m = (struct run_model){0};
}

/* ---- flexc --------------------------------------------------------------- */

static const char *find_flexc(struct cx *cx)
{
    const char *own = run_child_own_dir(cx->scratch);
    const char *beside = own ? path_join(cx->scratch, own, "flexc") : NULL;
    const char *given = getenv("FLEXC");
    if (beside && run_child_exists(beside, cx->scratch)) {
        return beside;
    }
    return given && *given ? given : "flexc";
}

static const char flexc_way_out[] =
    "flexc is looked for beside flexrun, in $FLEXC and along PATH";

bool run_flexc_check(struct cx *cx)
{
    const char *flexc = find_flexc(cx);
    return run_child_exists(flexc, cx->scratch) ||
           diag_error(cx->diag, E_CHILD, at_file(flexc), "is not there; %s",
                      flexc_way_out);
}

bool run_flexc(const struct run_compile *c, const char *dir, struct cx *cx,
               int *exit_code)
{
    struct run_argv v = {.arena = cx->scratch};
    bool ok = run_argv_add(&v, find_flexc(cx)) &&
              run_argv_add2(&v, "--budgets", c->budgets) &&
              run_argv_add2(&v, "-o", dir) &&
              run_argv_add2(&v, "--name", "m") && run_argv_add(&v, "-q") &&
              (c->is_compiled || run_argv_add(&v, "--tables"));
    for (uint32_t i = 0; ok && i < c->more.n; i++) {
        ok = run_argv_add(&v, c->more.item[i]);
    }
    return ok && run_argv_add(&v, c->model) &&
           run_child(&v, c->log, flexc_way_out, cx, exit_code);
}

bool run_model_add_plan(struct run_model *m, const char *path, struct cx *cx)
{
    struct file_map map;
    struct flx_model *const own = arena_new(cx->keep, struct flx_model, 1);
    const uint32_t **const list =
        arena_new(cx->keep, const uint32_t *, m->tables->n_plan + 1u);
    if (!own || !list || !file_map(path, cx->diag, &map)) {
        return false;
    }
    const uint64_t n = map.bytes.len / 4;
    uint32_t *const word = arena_new(cx->keep, uint32_t, n);
    for (uint64_t i = 0; word && i < n; i++) {
        word[i] = le32_get(map.bytes.data + 4 * i);
    }
    const bool is_whole = map.bytes.len % 4 == 0 && n <= UINT32_MAX;
    file_unmap(&map);
    if (!word) {
        return false;
    }
    *own = *m->tables;
    const enum flx_err err =
        is_whole ? flx_add_plan(own, list, word, (uint32_t)n) : FLX_E_PLAN;
    if (err == FLX_E_TABLES) {
        return diag_error(cx->diag, E_PLAN, at_file(path),
                          "is for other kernels or chunks of this model; make "
                          "it with the model's --target, --device, --numerics, "
                          "--weights and --compress");
    }
    if (err != FLX_OK) {
        const bool is_old = n > 1 && word[0] == FLX_PLAN_MAGIC &&
                            !is_our_version(path, word[1] & 0xffffu, cx);
        return !is_old && diag_error(cx->diag, E_PLAN, at_file(path),
                                     "is no plan of this model");
    }
    m->tables = own;
    return true;
}
