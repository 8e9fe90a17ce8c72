#include "codegen/cg_print.h"

#include <string.h>

#include "base/diag.h"
#include "base/numtext.h"
#include "codegen/cg_kernels.h"
#include "codegen/cg_write.h"

/* ---- the head comment ---- */

static const char *numerics_name(enum numerics n)
{
    return n == NUMERICS_DIRECT ? "direct" : "fast";
}

static const char *compress_name(enum compress c)
{
    switch (c) {
    case COMPRESS_AUTO:
        return "auto";
    case COMPRESS_NONE:
        return "none";
    case COMPRESS_ZSTD:
        return "zstd";
    }
    return "";
}

/* What ends the names of an entry's tables; nothing where there is one. */
static const char *entry_tail(const struct cg_model *g, struct arena *a)
{
    return g->model.entry ? arena_printf(a, "_%s", g->model.entry) : "";
}

static void print_head(const struct cg_model *g, const struct cg_style *s,
                       const char *file, struct buf *b)
{
    buf_printf(b, "/* %s.%s - made by flexc %s; format %d, model ", s->name,
               file, s->version, FLX_FORMAT_VERSION);
    buf_hex(b, g->model.id, sizeof g->model.id);
    buf_str(b, "\n * model    ");
    cg_comment_text(b, g->model.name);
    buf_str(b, "\n * budgets ");
    for (uint32_t i = 0; i < g->plans->n_plan; i++) {
        buf_char(b, ' ');
        cg_comment_text(b, g->plans->plan[i].budget_text);
    }
    for (uint32_t e = 0; e < s->n_entry && g->model.entry; e++) {
        buf_printf(b, "%s %s", e ? "" : "\n * entries ", g[e].model.entry);
    }
    buf_printf(b,
               "\n * options  --target %s --threads %u --numerics %s "
               "--compress %s\n * device   ",
               s->opt->target->name, s->opt->n_thread,
               numerics_name(s->opt->numerics),
               compress_name(s->opt->compress));
    cg_comment_text(b, s->opt->device->name);
    buf_str(b, " */\n");
}

/* ---- NAME.h ---- */

static const char *upper_of(const struct plan *p, struct arena *a)
{
    char text[SIZE_TEXT_CAP];
    size_text(text, p->budget);
    /* Inside a longer identifier a leading digit is fine. */
    const char *name =
        arena_printf(a, "P%s", p->budget_text ? p->budget_text : text);
    const char *ident = name ? cg_ident_upper(a, name) : NULL;
    return ident ? ident + 1 : NULL;
}

/* "50M" -> 50M, "1.5Mi" -> 1_5MI; equal ones, as of "50M" and "50m", are told
 * apart by number. */
static const char *plan_ident(const struct cg_model *g, uint32_t ix,
                              struct arena *a)
{
    const char *name = upper_of(&g->plans->plan[ix], a);
    for (uint32_t i = 0; name && i < ix; i++) {
        const struct arena_mark mark = arena_mark(a);
        const char *other = upper_of(&g->plans->plan[i], a);
        const bool is_same = !other || strcmp(other, name) == 0;
        arena_rewind(a, mark);
        if (is_same) {
            return other ? arena_printf(a, "%s_%u", name, ix) : NULL;
        }
    }
    return name;
}

static void print_io_sizes(struct buf *b, const char *upper, const char *what,
                           const struct flx_io *io, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        buf_printf(b, "#define %s_%s_%u_BYTES %luu /* ", upper, what, i,
                   (unsigned long)io[i].bytes);
        cg_comment_text(b, io[i].name);
        buf_printf(b, " %s[", dtype_name((enum dtype)io[i].dtype));
        for (uint32_t d = 0; d < io[i].rank; d++) {
            buf_printf(b, "%s%lu", d ? "," : "", (unsigned long)io[i].dim[d]);
        }
        buf_str(b, "] */\n");
    }
}

/* The most arena that plan ix needs in any entry. */
static uint64_t most_peak(const struct cg_model *g, const struct cg_style *s,
                          uint32_t ix)
{
    uint64_t most = 0;
    for (uint32_t e = 0; e < s->n_entry; e++) {
        const uint64_t peak = g[e].plans->plan[ix].peak;
        most = peak > most ? peak : most;
    }
    return most;
}

static bool print_plan_ids(const struct cg_model *g, const struct cg_style *s,
                           const char *upper, struct cx *cx, struct buf *b)
{
    const struct flx_model *m = &g->model;
    uint64_t most = 0;
    buf_printf(b, "enum %s_plan {\n", s->name);
    for (uint32_t i = 0; i < m->n_plan; i++) {
        const char *plan = plan_ident(g, i, cx->keep);
        if (!plan) {
            return false;
        }
        buf_printf(b, "    %s_PLAN_%s = %u,\n", upper, plan, i);
    }
    buf_printf(b, "    %s_N_PLAN = %u\n};\n", upper, m->n_plan);
    for (uint32_t i = 0; i < m->n_plan; i++) {
        const uint64_t peak = most_peak(g, s, i);
        const char *plan = plan_ident(g, i, cx->keep);
        if (!plan) {
            return false;
        }
        buf_printf(b, "#define %s_ARENA_%s_BYTES %lluu\n", upper, plan,
                   (unsigned long long)peak);
        most = peak > most ? peak : most;
    }
    buf_printf(b, "#define %s_ARENA_BYTES %lluu /* of the largest plan */\n",
               upper, (unsigned long long)most);
    return true;
}

/* The model's symbol: with several entries an array of them. */
static bool print_symbols(const struct cg_model *g, const struct cg_style *s,
                          const char *upper, struct cx *cx, struct buf *b)
{
    if (!g->model.entry) {
        print_io_sizes(b, upper, "INPUT", g->model.input, g->model.n_input);
        print_io_sizes(b, upper, "OUTPUT", g->model.output, g->model.n_output);
        buf_printf(b, "\nextern const struct flx_model %s_model;\n", s->name);
        return true;
    }
    buf_printf(b,
               "/* Entries: the model under one set of shapes each. flx_enter "
               "changes over. */\nenum %s_entry {\n",
               s->name);
    for (uint32_t e = 0; e < s->n_entry; e++) {
        buf_printf(b, "    %s_ENTRY_%s = %u,\n", upper, g[e].model.entry, e);
    }
    buf_printf(b, "    %s_N_ENTRY = %u\n};\n", upper, s->n_entry);
    for (uint32_t e = 0; e < s->n_entry; e++) {
        const struct flx_model *const m = &g[e].model;
        const char *const name =
            arena_printf(cx->keep, "%s_%s", upper, m->entry);
        if (!name) {
            return false;
        }
        print_io_sizes(b, name, "INPUT", m->input, m->n_input);
        print_io_sizes(b, name, "OUTPUT", m->output, m->n_output);
    }
    buf_printf(b, "\nextern const struct flx_model %s_model[%s_N_ENTRY];\n",
               s->name, upper);
    return true;
}

bool cg_print_header(const struct cg_model *g, const struct cg_style *s,
                     struct cx *cx, struct buf *b)
{
    const struct flx_model *m = &g->model;
    const char *upper = cg_ident_upper(cx->keep, s->name);
    if (!upper) {
        return false;
    }
    print_head(g, s, "h", b);
    buf_printf(b, "#ifndef %s_FLEX_H\n#define %s_FLEX_H\n\n", upper, upper);
    if (!s->self_contained) {
        buf_str(b, "#include \"flexrt/flexrt.h\"\n\n");
    } else if (!cg_runtime_file("flexrt/flexrt.h", b)) {
        return false;
    }
    buf_str(b, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
               "/* Plans, in the order of --budgets, and the arena that each "
               "needs. */\n");
    if (!print_plan_ids(g, s, upper, cx, b)) {
        return false;
    }
    buf_printf(b,
               "#define %s_ALIGN %luu /* of the arena and of a mapped blob */\n"
               "#define %s_BLOB_BYTES %luu\n\n",
               upper, (unsigned long)m->align, upper,
               (unsigned long)m->blob_bytes);
    if (!print_symbols(g, s, upper, cx, b)) {
        return false;
    }
    if (s->blob.len > 0) {
        buf_printf(b, "extern const uint8_t %s_blob[%s_BLOB_BYTES];\n", s->name,
                   upper);
    }
    buf_printf(b,
               "\n/* flx_switch_plan for this model's plans. */\n"
               "static inline enum flx_err %s_switch_plan(struct flx *rt,\n"
               "    enum %s_plan plan)\n{\n"
               "    return flx_switch_plan(rt, (uint32_t)plan);\n}\n\n"
               "#ifdef __cplusplus\n}\n#endif\n\n#endif\n",
               s->name, s->name);
    return buf_ok(b);
}

/* ---- NAME.c ---- */

/* One function per distinct kernel instance: the body with its arguments as
 * constants, so that the C compiler specialises it. */
static bool print_kernels(const struct cg_model *g, struct cx *cx,
                          struct buf *b)
{
    for (uint32_t i = 0; i < g->model.n_kernel; i++) {
        if (!cg_kernel_instance(&g->kernel[i], i, cx, b)) {
            return false;
        }
    }
    buf_str(b, "static const struct flx_kernel kernels[] = {\n");
    for (uint32_t i = 0; i < g->model.n_kernel; i++) {
        buf_printf(b, "    {kernel_%u, NULL},\n", i);
    }
    buf_str(b, "};\n\n");
    return true;
}

static void print_layers(const struct cg_model *g, const char *tail,
                         struct buf *b)
{
    const struct flx_model *m = &g->model;
    buf_printf(
        b,
        "/* rows, row bytes, first and last layer, 1: always in full */\n"
        "static const struct flx_buf bufs%s[] = {\n",
        tail);
    for (uint32_t i = 0; i < m->n_buf; i++) {
        const struct flx_buf *f = &m->buf[i];
        buf_printf(b, "    {%luu, %luu, %u, %u, %luu},\n",
                   (unsigned long)f->rows, (unsigned long)f->row_bytes,
                   f->first, f->last, (unsigned long)f->whole);
    }
    buf_printf(b,
               "};\n\n/* buffers of each layer, output first */\n"
               "static const uint16_t args%s[] = {\n",
               tail);
    for (uint32_t i = 0; i < m->n_layer; i++) {
        const struct flx_layer *l = &m->layer[i];
        buf_str(b, "   ");
        for (uint32_t k = 0; k < l->n_arg; k++) {
            buf_printf(b, " %u,", m->arg[l->arg0 + k]);
        }
        buf_char(b, '\n');
    }
    buf_printf(
        b,
        "};\n\n/* kernel, operands, first operand, rows, panels, K "
        "blocks, first chunk,\n * chunks, bytes of an index, guard, entries, "
        "entries of a panel, least scratch of a\n * thread */\nstatic "
        "const struct flx_layer layers%s[] = {\n",
        tail);
    for (uint32_t i = 0; i < m->n_layer; i++) {
        const struct flx_layer *l = &m->layer[i];
        buf_printf(
            b,
            "    {%u, %u, %luu, %luu, %u, %u, %luu, %u, %u, %u, %luu, %luu, "
            "%luu}, "
            "/* ",
            l->kernel, l->n_arg, (unsigned long)l->arg0, (unsigned long)l->rows,
            l->n_panel, l->n_kblock, (unsigned long)l->chunk0, l->n_chunk,
            l->index_bytes, l->guard, (unsigned long)l->entries,
            (unsigned long)l->panel_entries, (unsigned long)l->scratch_bytes);
        cg_comment_text(b, g->layer_name[i]);
        buf_str(b, " */\n");
    }
    buf_str(b, "};\n\n");
}

/* The entry before that has the same chunks for the same layers; else NULL. */
static const struct cg_model *equal_chunks(const struct cg_model *first,
                                           const struct cg_model *g)
{
    const uint32_t n = g->model.n_chunk;
    while (first < g && (n == 0 || memcmp(first->model.chunk, g->model.chunk,
                                          n * sizeof *g->model.chunk) != 0)) {
        first++;
    }
    return first < g ? first : NULL;
}

static void print_chunks(const struct flx_model *m, const char *tail,
                         struct buf *b)
{
    if (m->n_chunk == 0) {
        return;
    }
    buf_printf(b,
               "/* blob offset, stored and raw bytes, CRC32C, place when "
               "resident, layer,\n * K block, first panel, panels, codec */\n"
               "static const struct flx_chunk chunks%s[] = {\n",
               tail);
    for (uint32_t i = 0; i < m->n_chunk; i++) {
        const struct flx_chunk *c = &m->chunk[i];
        buf_printf(b,
                   "    {%luu, %luu, %luu, 0x%08lxu, %luu, %u, %u, %u, %u, "
                   "%luu},\n",
                   (unsigned long)c->blob_off, (unsigned long)c->stored_bytes,
                   (unsigned long)c->raw_bytes, (unsigned long)c->crc,
                   (unsigned long)c->res_off, c->layer, c->kblock, c->panel,
                   c->n_panel, (unsigned long)c->codec);
    }
    buf_str(b, "};\n\n");
}

static void print_io(struct buf *b, const char *name, const char *tail,
                     const struct flx_io *io, uint32_t n)
{
    if (n == 0) {
        return;
    }
    buf_printf(b, "static const struct flx_io %s%s[] = {\n", name, tail);
    for (uint32_t i = 0; i < n; i++) {
        buf_str(b, "    {");
        cg_string(b, io[i].name);
        buf_printf(b, ", %luu, %luu, %luu, %luu, {", (unsigned long)io[i].dtype,
                   (unsigned long)io[i].buf, (unsigned long)io[i].bytes,
                   (unsigned long)io[i].rank);
        for (uint32_t d = 0; d < io[i].rank || d == 0; d++) {
            buf_printf(b, "%s%luu", d ? ", " : "",
                       (unsigned long)(d < io[i].rank ? io[i].dim[d] : 0));
        }
        buf_str(b, "}},\n");
    }
    buf_str(b, "};\n\n");
}

static void print_plans(const struct cg_model *g, const char *tail,
                        struct buf *b)
{
    for (uint32_t i = 0; i < g->model.n_plan; i++) {
        const struct plan *p = &g->plans->plan[i];
        struct flx_plan_head h;
        memcpy(&h, g->model.plan[i], sizeof h);
        buf_str(b, "/* budget ");
        cg_comment_text(b, p->budget_text ? p->budget_text : "");
        buf_printf(b, ": peak %llu bytes, %llu resident, %lu us predicted */\n",
                   (unsigned long long)p->peak,
                   (unsigned long long)p->resident_bytes,
                   (unsigned long)h.latency_us);
        buf_printf(b, "static const uint32_t plan%s_%u[] = {\n", tail, i);
        cg_words(b, g->model.plan[i], h.n_words);
        buf_str(b, "};\n\n");
    }
    buf_printf(b, "static const uint32_t *const plans%s[] = {\n", tail);
    for (uint32_t i = 0; i < g->model.n_plan; i++) {
        buf_printf(b, "    plan%s_%u,\n", tail, i);
    }
    buf_str(b, "};\n\n");
}

static void print_model(const struct cg_model *g, const char *tail,
                        const char *chunks, struct buf *b)
{
    const struct flx_model *m = &g->model;
    buf_printf(b, "    .version = %uu,\n    .align = %luu,\n    .id = {",
               FLX_FORMAT_VERSION, (unsigned long)m->align);
    for (uint32_t i = 0; i < FLX_ID_BYTES; i++) {
        buf_printf(b, "%s0x%02x",
                   i == 0   ? ""
                   : i == 8 ? ",\n           "
                            : ", ",
                   m->id[i]);
    }
    buf_printf(b, "},\n    .tables = {0x%08lxu, 0x%08lxu},\n    .name = ",
               (unsigned long)m->tables[0], (unsigned long)m->tables[1]);
    cg_string(b, m->name);
    buf_printf(b,
               ",\n    .blob_bytes = %luu,\n    .decode_bytes = %luu,\n"
               "    .n_layer = %u,\n    .n_buf = %u,\n    .n_kernel = %u,\n"
               "    .n_input = %u,\n    .n_output = %u,\n    .n_plan = %u,\n"
               "    .n_chunk = %luu,\n    .n_arg = %luu,\n",
               (unsigned long)m->blob_bytes, (unsigned long)m->decode_bytes,
               m->n_layer, m->n_buf, m->n_kernel, m->n_input, m->n_output,
               m->n_plan, (unsigned long)m->n_chunk, (unsigned long)m->n_arg);
    buf_printf(b,
               "    .layer = layers%s,\n    .buf = bufs%s,\n"
               "    .arg = args%s,\n    .kernel = kernels,\n"
               "    .chunk = %s%s,\n    .input = %s%s,\n"
               "    .output = outputs%s,\n    .plan = plans%s,\n",
               tail, tail, tail, m->n_chunk ? "chunks" : "NULL",
               m->n_chunk ? chunks : "", m->n_input ? "inputs" : "NULL",
               m->n_input ? tail : "", tail, tail);
    if (m->entry) {
        buf_printf(b, "    .entry = \"%s\",\n    .entry_ix = %luu,\n", m->entry,
                   (unsigned long)m->entry_ix);
    }
}

static bool print_models(const struct cg_model *g, const struct cg_style *s,
                         struct cx *cx, struct buf *b)
{
    const bool is_list = g->model.entry != NULL;
    buf_printf(b, "const struct flx_model %s_model%s = {\n", s->name,
               is_list ? "[]" : "");
    for (uint32_t e = 0; e < s->n_entry; e++) {
        const struct cg_model *const same = equal_chunks(g, &g[e]);
        const char *const tail = entry_tail(&g[e], cx->keep);
        const char *const chunks = same ? entry_tail(same, cx->keep) : tail;
        if (!tail || !chunks) {
            return false;
        }
        buf_str(b, is_list ? "    {\n" : "");
        print_model(&g[e], tail, chunks, b);
        buf_str(b, is_list ? "    },\n" : "");
    }
    buf_str(b, "};\n");
    return true;
}

/* For tools on hosts; a device has no use for them. */
static bool print_names(const struct cg_model *g, const struct cg_style *s,
                        struct cx *cx, struct buf *b)
{
    const uint64_t peak = s->opt->device->speed[SPEED_GEMM];
    buf_printf(
        b,
        "\n#if defined FLX_NAMES\n"
        "/* multiply-adds per microsecond, as the device profile says */\n"
        "const uint64_t %s_peak = %lluu;\n",
        s->name, (unsigned long long)peak);
    if (g->model.entry) {
        buf_printf(b, "const uint32_t %s_n_entry = %uu;\n", s->name,
                   s->n_entry);
    }
    for (uint32_t e = 0; e < s->n_entry; e++) {
        const char *const tail = entry_tail(&g[e], cx->keep);
        if (!tail) {
            return false;
        }
        buf_printf(b, "const struct flx_name %s_names%s[] = {\n", s->name,
                   tail);
        for (uint32_t i = 0; i < g[e].model.n_layer; i++) {
            buf_str(b, "    {");
            cg_string(b, g[e].layer_name[i]);
            buf_str(b, ", ");
            cg_string(b, g[e].layer_algorithm[i]);
            buf_printf(b, ", %lluu},\n",
                       (unsigned long long)g[e].layer_macs[i]);
        }
        buf_str(b, "};\n");
    }
    buf_str(b, "#endif\n");
    return true;
}

bool cg_print_source(const struct cg_model *g, const struct cg_style *s,
                     struct cx *cx, struct buf *b)
{
    /* The last entry has the kernels of all. */
    const struct cg_model *const last = &g[s->n_entry - 1];
    print_head(g, s, "c", b);
    buf_printf(b,
               "#include \"%s.h\"\n\n#include <stddef.h>\n\n"
               "_Static_assert(FLX_FORMAT_VERSION == %d,\n"
               "               \"flexrt is of another format: compile the "
               "model again\");\n\n",
               s->name, FLX_FORMAT_VERSION);
    if (!cg_kernel_bodies(last, s->self_contained, b) ||
        !print_kernels(last, cx, b)) {
        return false;
    }
    for (uint32_t e = 0; e < s->n_entry; e++) {
        const struct flx_model *const m = &g[e].model;
        const char *const tail = entry_tail(&g[e], cx->keep);
        if (!tail) {
            return false;
        }
        print_layers(&g[e], tail, b);
        if (!equal_chunks(g, &g[e])) {
            print_chunks(m, tail, b);
        }
        print_io(b, "inputs", tail, m->input, m->n_input);
        print_io(b, "outputs", tail, m->output, m->n_output);
        print_plans(&g[e], tail, b);
    }
    if (!print_models(g, s, cx, b) || !print_names(g, s, cx, b)) {
        return false;
    }
    if (s->blob.len > 0) {
        buf_printf(b, "\n_Alignas(%lu) const uint8_t %s_blob[] = {\n",
                   (unsigned long)g->model.align, s->name);
        cg_bytes(b, s->blob.data, s->blob.len);
        buf_str(b, "};\n");
    }
    return buf_ok(b);
}

/* ---- how to build it ---- */

bool cg_print_makefile(const struct cg_model *g, const struct cg_style *s,
                       struct cx *cx, struct buf *b)
{
    (void)g;
    (void)cx;
    buf_printf(b,
               "# Builds %s.o with the flags that matter: no contraction of "
               "products and sums\n# (the C spells out every fused "
               "multiply-add), and the target's instructions.\n"
               "FLEX_CFLAGS = -std=c11 -O3 -ffp-contract=off %s\n"
               "FLEXRT_CFLAGS ?= $(shell pkg-config --cflags flexrt)\n\n"
               "%s.o: %s.c %s.h\n"
               "\t$(CC) $(FLEX_CFLAGS) $(CFLAGS) $(FLEXRT_CFLAGS) -c -o $@ "
               "%s.c\n\n"
               "clean:\n\trm -f %s.o\n\n.PHONY: clean\n",
               s->name, s->opt->target->cflags, s->name, s->name, s->name,
               s->name, s->name);
    return buf_ok(b);
}

bool cg_print_cmake(const struct cg_model *g, const struct cg_style *s,
                    struct cx *cx, struct buf *b)
{
    (void)g;
    (void)cx;
    buf_printf(b,
               "# add_subdirectory() this folder after find_package(flexc): "
               "library flex_%s.\n"
               "add_library(flex_%s STATIC %s.c)\n"
               "target_include_directories(flex_%s PUBLIC "
               "${CMAKE_CURRENT_SOURCE_DIR})\n"
               "target_compile_options(flex_%s PRIVATE -std=c11 -O3 "
               "-ffp-contract=off)\n",
               s->name, s->name, s->name, s->name, s->name);
    if (s->opt->target->cflags[0] != '\0') {
        buf_printf(b,
                   "separate_arguments(flex_flags UNIX_COMMAND \"%s\")\n"
                   "target_compile_options(flex_%s PRIVATE "
                   "${flex_flags})\n",
                   s->opt->target->cflags, s->name);
    }
    buf_printf(b, "target_link_libraries(flex_%s PUBLIC flexc::flexrt)\n",
               s->name);
    return buf_ok(b);
}
