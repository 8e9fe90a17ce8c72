#include "run/run_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/numtext.h"
#include "flexrt/flexrt.h"
#include "ports/posix/flx_posix.h"

enum { GUARD_BYTE = 0xA5 };

struct session {
    const struct run_setup *setup;
    const struct flx_model *m; /* the entry */
    struct cx *cx;
    struct run_result *out;
    struct flx_posix posix;
    struct flx_port port;
    struct flx *rt;
    uint8_t *arena;
    uint32_t arena_bytes;
    uint32_t guard_bytes; /* after the arena, up to its page's end */
    uint8_t **all;        /* of a sequence: each output of all inferences;
                             NULL for a state */
    uint64_t *all_bytes;  /* of each that are there */
    uint64_t *in_bytes;   /* of each input of a sequence that are used */
};

/* ---- errors -------------------------------------------------------------- */

/* Why the runtime refused, for a person. */
static const struct {
    enum flx_err err;
    enum diag_id id;
    bool is_blob; /* the blob is at fault, else the model */
    const char *text;
} reasons[] = {
    {FLX_E_ARG, E_INTERNAL, false, "the runtime got a bad argument"},
    {FLX_E_MODEL, E_TABLE, false,
     "its tables are inconsistent; compile the model again"},
    {FLX_E_PLAN, E_PLAN, false,
     "a plan is inconsistent, or reads weights in place, which needs --storage "
     "memory; compile the model again or change --storage"},
    {FLX_E_ARENA, E_INTERNAL, false, "the arena is too small or misaligned"},
    {FLX_E_BLOB, E_MODEL_ID, true,
     "is not the weights of this model; both come from one run of flexc"},
    {FLX_E_STORAGE, E_IO, true,
     "a read failed or came short; is the file complete?"},
    {FLX_E_CHECKSUM, E_BLOB, true,
     "a chunk does not match its checksum: the file is damaged; copy it again "
     "or compile the model again"},
    {FLX_E_DECODE, E_BLOB, true,
     "a chunk does not decode; compile the model again, or with --compress "
     "none"},
    {FLX_E_STATE, E_INTERNAL, false, "the runtime is in another state"},
    {FLX_E_REFUSED, E_MEMORY, false, "the system refused to grow the arena"},
    {FLX_E_THREADS, E_USAGE, false,
     "there are more --threads than the plans are for; compile with flexc "
     "--threads N"},
    {FLX_E_TABLES, E_PLAN, false,
     "a plan is for other kernels or chunks; compile it with the model's "
     "--target, --device, --numerics, --weights and --compress"},
};

static bool refused(const struct session *s, enum flx_err err)
{
    for (uint32_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].err == err) {
            return diag_error(s->cx->diag, reasons[i].id,
                              at_file(reasons[i].is_blob
                                          ? s->setup->model->blob_path
                                          : s->m->name),
                              "%s", reasons[i].text);
        }
    }
    return diag_error(s->cx->diag, E_INTERNAL, at_file(s->m->name),
                      "the runtime returned %d", (int)err);
}

/* ---- memory of this process ---------------------------------------------- */

/* Reads a small file of /proc; false when there is none. */
static bool read_proc(const char *path, char *dst, size_t cap)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, dst, cap - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    dst[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* Resident bytes now; 0 where /proc does not tell. */
static uint64_t rss_now(void)
{
    char text[256];
    char *end = text;
    if (!read_proc("/proc/self/statm", text, sizeof text)) {
        return 0;
    }
    (void)strtoull(text, &end, 10); /* the first number is virtual */
    return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Makes the peak start anew; false where the system does not allow it. */
static bool rss_reset_peak(void)
{
    const int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    const bool ok = fd >= 0 && write(fd, "5", 1) == 1;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static uint64_t rss_peak(void)
{
    char text[4096];
    const char *line = read_proc("/proc/self/status", text, sizeof text)
                           ? strstr(text, "VmHWM:")
                           : NULL;
    return line ? strtoull(line + 6, NULL, 10) * 1024 : 0;
}

/* ---- opening ------------------------------------------------------------- */

/* Opens the storage. A blob that is part of the library is mapped already: the
 * port then only has threads and a clock. */
static bool open_port(struct session *s)
{
    static const enum flx_posix_storage storage[] = {
        [RUN_CACHED] = FLX_POSIX_CACHED,
        [RUN_DIRECT] = FLX_POSIX_DIRECT,
        [RUN_MEMORY] = FLX_POSIX_MEMORY,
    };
    const struct run_model *model = s->setup->model;
    const enum flx_err err = flx_posix_open(
        &s->posix, model->blob ? "/dev/null" : model->blob_path,
        model->blob ? FLX_POSIX_CACHED : storage[s->setup->store],
        s->setup->n_thread, &s->port);
    const int why = errno;
    if (err == FLX_E_STORAGE) {
        return diag_error(s->cx->diag, why == ENOENT ? E_NO_FILE : E_IO,
                          at_file(model->blob_path), "cannot be opened: %s",
                          strerror(why));
    }
    if (err == FLX_E_ARG) {
        return diag_error(s->cx->diag, E_USAGE, at_option("--threads"),
                          "%" PRIu32 " are more than the %d that are supported",
                          s->setup->n_thread, FLX_POSIX_MAX_THREAD);
    }
    if (err != FLX_OK) {
        return refused(s, err);
    }
    if (model->blob) {
        s->port.map = model->blob;
        s->port.submit = NULL;
        s->port.wait_load = NULL;
    }
    return true;
}

/* A file that was cut is told from one that cannot be read. */
static bool check_blob_size(const struct session *s)
{
    struct file_map map;
    const char *path = s->setup->model->blob_path;
    if (s->setup->model->blob) {
        return true;
    }
    if (!file_map(path, s->cx->diag, &map)) {
        return false;
    }
    const uint64_t len = map.bytes.len;
    file_unmap(&map);
    return len >= s->m->blob_bytes ||
           diag_error(s->cx->diag, E_BLOB, at_file(path),
                      "has %" PRIu64 " bytes, the model's weights have %" PRIu32
                      ": the file is cut off; copy it again or compile the "
                      "model again",
                      len, s->m->blob_bytes);
}

/* Bytes of arena for the plan begun with and all that may be switched to, in an
 * entry. */
static uint32_t arena_for(const struct run_setup *s, const struct flx_model *m)
{
    uint32_t most = flx_arena_bytes(m, s->plan);
    for (uint32_t i = 0; s->switches && i < m->n_plan; i++) {
        bool is_used = s->switches->is_random || s->switches->is_all;
        for (uint32_t k = 0; k < s->switches->n; k++) {
            is_used = is_used || s->switches->request[k].plan == i;
        }
        const uint32_t bytes = flx_arena_bytes(m, i);
        most = is_used && bytes > most ? bytes : most;
    }
    return most;
}

/* The same in all entries of a sequence. */
static uint32_t arena_for_all(const struct run_setup *s)
{
    uint32_t most = arena_for(s, s->model->tables);
    for (uint32_t i = 0; s->order && i < s->n_run; i++) {
        const uint32_t bytes = arena_for(s, &s->model->entry[s->order[i]]);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static bool open_arena(struct session *s)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    s->arena_bytes = arena_for_all(s->setup);
    s->guard_bytes = (uint32_t)((page - s->arena_bytes % page) % page);
    /* Large pages as far as the first plan goes: a smaller one than others that
     * are switched to takes no more RAM than its budget. */
    const uint32_t in_use = flx_arena_bytes(s->m, s->setup->plan);
    const bool is_large = in_use >= 2 * FLX_POSIX_LARGE_PAGE;
    s->arena = flx_posix_arena(s->arena_bytes,
                               is_large && s->m->align < FLX_POSIX_LARGE_PAGE
                                   ? FLX_POSIX_LARGE_PAGE
                                   : s->m->align);
    if (!s->arena) {
        char text[SIZE_TEXT_CAP];
        size_text(text, s->arena_bytes);
        return diag_error(s->cx->diag, E_MEMORY, at_none(),
                          "the system has no %s of memory for the arena; run a "
                          "plan for a smaller budget",
                          text);
    }
    if (is_large) {
        flx_posix_arena_large(s->arena, in_use);
    }
    memset(s->arena + s->arena_bytes, GUARD_BYTE, s->guard_bytes);
    return true;
}

static bool check_threads(const struct session *s)
{
    const uint32_t most = run_plan_head(s->m, s->setup->plan).n_thread;
    return s->setup->n_thread <= most ||
           diag_error(s->cx->diag, E_USAGE, at_option("--threads"),
                      "the plan is for at most %" PRIu32
                      "; compile with flexc --threads %" PRIu32,
                      most, s->setup->n_thread);
}

/* ---- one inference ------------------------------------------------------- */

static bool is_listed(const struct flx_io *io, uint32_t n, uint32_t buf)
{
    for (uint32_t i = 0; i < n; i++) {
        if (io[i].buf == buf) {
            return true;
        }
    }
    return false;
}

bool run_is_state(const struct flx_model *m, uint32_t buf)
{
    return is_listed(m->input, m->n_input, buf) &&
           is_listed(m->output, m->n_output, buf);
}

/* Of inference `run`: of a sequence the next part of each, and states once. */
static void write_inputs(struct session *s, uint32_t run)
{
    for (uint32_t i = 0; i < s->m->n_input; i++) {
        const struct run_tensor *t = &s->setup->input[i];
        const uint64_t bytes = s->m->input[i].bytes;
        const bool is_next =
            s->setup->is_sequence && !run_is_state(s->m, s->m->input[i].buf);
        const uint64_t at = is_next ? s->in_bytes[i] : 0;
        if (bytes > 0 && (is_next || run == 0 || !s->setup->is_sequence)) {
            memcpy(flx_input(s->rt, i), t->data + at, bytes);
        }
        if (is_next) {
            s->in_bytes[i] += bytes;
        }
    }
}

/* The entry of inference `run`. */
static bool enter(struct session *s, uint32_t run)
{
    const struct run_setup *const setup = s->setup;
    if (!setup->order) {
        return true;
    }
    const struct flx_model *const m = &setup->model->entry[setup->order[run]];
    struct flx_info info;
    const enum flx_err err = flx_enter(s->rt, m);
    if (err != FLX_OK) {
        return refused(s, err);
    }
    s->m = m;
    flx_query(s->rt, &info);
    if (info.arena_bytes > s->out->arena_peak) {
        s->out->arena_peak = info.arena_bytes;
    }
    return true;
}

static bool note_switch(struct session *s, uint32_t run, uint32_t step,
                        const struct flx_info *before,
                        const struct flx_info *after)
{
    struct run_result *r = s->out;
    struct run_switched *w =
        arena_push(s->cx->keep, r->switched, &r->n_switched, &r->cap_switched);
    if (w) {
        *w = (struct run_switched){run,
                                   step,
                                   before->plan_id,
                                   after->plan_id,
                                   after->switch_us,
                                   after->released_bytes};
    }
    return w;
}

/* One call of flx_step, timed. */
static enum flx_err step_timed(struct session *s)
{
    const uint64_t begin = run_now_ns();
    const enum flx_err err = flx_step(s->rt);
    const uint64_t ns = run_now_ns() - begin;
    s->out->longest_step_ns =
        ns > s->out->longest_step_ns ? ns : s->out->longest_step_ns;
    return err;
}

/* One inference step by step, asking for plans on the way. */
static bool run_with_switches(struct session *s, uint32_t run)
{
    enum flx_err err = FLX_PENDING;
    uint32_t step = 0;
    for (; err == FLX_PENDING; step++) {
        struct flx_info before;
        struct flx_info after;
        flx_query(s->rt, &before);
        const uint32_t plan =
            run_switch_at(s->setup->switches, run, step, before.n_step);
        if (plan != RUN_NO_PLAN && flx_switch_plan(s->rt, plan) != FLX_OK) {
            s->out->n_refused++;
        }
        err = step_timed(s);
        flx_query(s->rt, &after);
        if (after.arena_bytes > s->out->arena_peak) {
            s->out->arena_peak = after.arena_bytes;
        }
        if (after.n_switch != before.n_switch &&
            !note_switch(s, run, step, &before, &after)) {
            return false;
        }
    }
    s->out->n_step = step;
    return err == FLX_OK || refused(s, err);
}

static bool run_whole(struct session *s)
{
    enum flx_err err = FLX_PENDING;
    while (err == FLX_PENDING) {
        err = step_timed(s);
    }
    struct flx_info info;
    flx_query(s->rt, &info);
    s->out->n_step = info.step;
    return err == FLX_OK || refused(s, err);
}

/* Every request of a list must have been reached. */
static bool check_reached(const struct session *s)
{
    const struct run_switches *w = s->setup->switches;
    for (uint32_t i = 0; w && i < w->n; i++) {
        if (w->request[i].step >= s->out->n_step) {
            return diag_error(s->cx->diag, E_USAGE, at_option("--switch"),
                              "step %" PRIu32
                              " was never reached: the inference took %" PRIu32
                              " steps, from 0",
                              w->request[i].step, s->out->n_step);
        }
    }
    return true;
}

/* ---- results ------------------------------------------------------------- */

static void digest_outputs(const struct session *s, char (*hex)[SHA256_HEX_CAP])
{
    for (uint32_t i = 0; i < s->m->n_output; i++) {
        uint8_t digest[SHA256_BYTES];
        sha256_of(flx_output(s->rt, i), s->m->output[i].bytes, digest);
        sha256_hex(digest, hex[i]);
    }
}

/* The digests of this inference; those of the first one stay. */
static bool check_digests(struct session *s, uint32_t run,
                          char (*hex)[SHA256_HEX_CAP])
{
    digest_outputs(s, run == 0 ? s->out->sha256 : hex);
    for (uint32_t i = 0; run > 0 && i < s->m->n_output; i++) {
        if (strcmp(hex[i], s->out->sha256[i]) != 0) {
            return diag_error(s->cx->diag, E_MISMATCH,
                              at_tensor(s->m->output[i].name),
                              "inference %" PRIu32
                              " gives other bits than the first, from the same "
                              "input: sha256 %s, first %s",
                              run, hex[i], s->out->sha256[i]);
        }
    }
    return true;
}

/* Bytes of output ix in all inferences. */
static uint64_t sequence_bytes(const struct run_setup *setup, uint32_t ix)
{
    const struct run_model *const m = setup->model;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < setup->n_run; i++) {
        bytes += (setup->order ? &m->entry[setup->order[i]] : m->tables)
                     ->output[ix]
                     .bytes;
    }
    return bytes;
}

static bool make_sequence(struct session *s)
{
    s->all = arena_new(s->cx->scratch, uint8_t *, s->m->n_output);
    s->all_bytes = arena_new(s->cx->scratch, uint64_t, s->m->n_output);
    s->in_bytes = arena_new(s->cx->scratch, uint64_t, s->m->n_input);
    if (!s->all || !s->all_bytes || !s->in_bytes) {
        return false;
    }
    for (uint32_t i = 0; i < s->m->n_output; i++) {
        if (run_is_state(s->m, s->m->output[i].buf)) {
            continue;
        }
        s->all[i] = arena_alloc(s->cx->keep, sequence_bytes(s->setup, i), 64);
        if (!s->all[i]) {
            return false;
        }
    }
    return true;
}

/* Outputs of inference `run` of a sequence, and the digests of all so far. */
static void add_outputs(struct session *s, uint32_t run)
{
    for (uint32_t i = 0; i < s->m->n_output; i++) {
        const uint64_t bytes = s->m->output[i].bytes;
        if (bytes > 0 && s->all[i]) {
            memcpy(s->all[i] + s->all_bytes[i], flx_output(s->rt, i), bytes);
            s->all_bytes[i] += bytes;
        }
    }
    if (run + 1 < s->setup->n_run) {
        return;
    }
    digest_outputs(s, s->out->sha256);
    for (uint32_t i = 0; i < s->m->n_output; i++) {
        if (s->all[i]) {
            uint8_t digest[SHA256_BYTES];
            sha256_of(s->all[i], s->all_bytes[i], digest);
            sha256_hex(digest, s->out->sha256[i]);
        }
    }
}

/* Output i of a whole sequence: one more dimension; of several entries, whose
 * outputs have several shapes, one in all. */
static bool keep_sequence(struct session *s, uint32_t i, struct run_tensor *t)
{
    t->data = s->all[i];
    if (s->setup->order) {
        const struct run_type *const type = run_type_of(t->dtype);
        t->rank = 1;
        t->dim[0] = type ? s->all_bytes[i] / type->bytes : 0;
        return run_tensor_count(t);
    }
    if (t->rank == RUN_MAX_RANK) {
        return diag_error(s->cx->diag, E_UNSUPPORTED, at_tensor(t->name),
                          "a sequence of tensors of rank %d", RUN_MAX_RANK);
    }
    memmove(&t->dim[1], &t->dim[0], t->rank * sizeof t->dim[0]);
    t->dim[0] = s->setup->n_run;
    t->rank++;
    return run_tensor_count(t);
}

/* True when a later output lies over bytes of output ix. */
static bool is_read_again(const struct session *s, const uint8_t *const *src,
                          uint32_t ix)
{
    const struct flx_io *io = s->m->output;
    for (uint32_t i = ix + 1; i < s->m->n_output; i++) {
        if (src[i] < src[ix] + io[ix].bytes && src[ix] < src[i] + io[i].bytes) {
            return true;
        }
    }
    return false;
}

/* Copies n bytes; what has been copied goes back to the system. */
static void move_out(const struct session *s, uint8_t *dst, uint8_t *src,
                     uint32_t n)
{
    const uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
    const uint32_t piece = 16 * page;
    uint32_t done = 0; /* given back, but for what shares a page */
    for (uint32_t off = 0; off < n;) {
        const uint32_t len = n - off < piece ? n - off : piece;
        memcpy(dst + off, src + off, len);
        off += len;
        s->port.release(s->port.ctx, src + done, off - done);
        done = off / page * page;
        done -= done >= page ? page : 0;
    }
}

/* Closes the runtime and moves the outputs out of the arena: first what is
 * around them goes back to the system, then they do by the piece, so that a cap
 * of the plan's size has room for both, even where an output is nearly all. */
static bool keep_outputs(struct session *s)
{
    const uint32_t n = s->m->n_output;
    const uint8_t **src = arena_new(s->cx->scratch, const uint8_t *, n);
    uint8_t *lo = s->arena + s->arena_bytes;
    uint8_t *hi = s->arena;
    for (uint32_t i = 0; src && i < n; i++) {
        src[i] = flx_output(s->rt, i);
        uint8_t *begin = s->arena + (src[i] - s->arena);
        lo = begin < lo ? begin : lo;
        hi = begin + s->m->output[i].bytes > hi ? begin + s->m->output[i].bytes
                                                : hi;
    }
    flx_close(s->rt);
    s->rt = NULL;
    if (!src) {
        return false;
    }
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    s->port.release(s->port.ctx, s->arena,
                    (uint32_t)((uint64_t)(lo - s->arena) / page * page));
    if (hi < s->arena + s->arena_bytes) {
        /* Not the last page, which the guard shares. */
        s->port.release(s->port.ctx, hi,
                        (uint32_t)((uint64_t)(s->arena + s->arena_bytes - hi) /
                                   page * page));
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct flx_io *io = &s->m->output[i];
        struct run_tensor *t = &s->out->output[i];
        if (!run_io_tensor(io, s->cx, t)) {
            return false;
        }
        if (s->all && s->all[i]) {
            if (!keep_sequence(s, i, t)) {
                return false;
            }
            continue;
        }
        uint8_t *copy = arena_alloc(s->cx->keep, io->bytes, 64);
        if (!copy) {
            return false;
        }
        if (is_read_again(s, src, i)) {
            memcpy(copy, src[i], io->bytes);
        } else {
            move_out(s, copy, s->arena + (src[i] - s->arena), io->bytes);
        }
        t->data = copy;
    }
    return true;
}

static int compare_ms(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- every switch -------------------------------------------------------- */

/* One inference begun under w->from, in which w->to is asked for before step
 * `at`; n_step is how many it took, *us at most how long the switch. */
static bool try_switch(struct session *s, struct run_pair *w, uint32_t at,
                       uint32_t *n_step, uint32_t *us)
{
    struct flx_info before;
    struct flx_info info;
    if (flx_switch_plan(s->rt, w->from) != FLX_OK) {
        return refused(s, FLX_E_PLAN);
    }
    enum flx_err err = flx_settle(s->rt);
    if (err != FLX_OK) {
        return refused(s, err);
    }
    write_inputs(s, 0);
    flx_query(s->rt, &before);
    uint32_t step = 0;
    uint32_t held = UINT32_MAX; /* the step that ran first under w->to */
    for (err = FLX_PENDING; err == FLX_PENDING; step++) {
        if (step == at && flx_switch_plan(s->rt, w->to) != FLX_OK) {
            return refused(s, FLX_E_PLAN);
        }
        err = flx_step(s->rt);
        flx_query(s->rt, &info);
        if (held == UINT32_MAX && info.n_switch != before.n_switch) {
            held = info.inside ? step : step + 1;
        }
    }
    *n_step = step;
    if (err != FLX_OK) {
        return refused(s, err);
    }
    if (at >= step) {
        return true;
    }
    if (info.plan_id != w->to || info.n_switch != before.n_switch + 1) {
        return diag_error(s->cx->diag, E_INTERNAL, at_file(s->m->name),
                          "plan %" PRIu32 ", asked for at step %" PRIu32
                          " of plan %" PRIu32 ", does not hold at its end",
                          w->to, at, w->from);
    }
    w->n_try++;
    *us = info.switch_us < *us ? info.switch_us : *us;
    w->us_most = info.switch_us > w->us_most ? info.switch_us : w->us_most;
    w->step = held - at > w->step ? held - at : w->step;
    return true;
}

/* Every pair of plans at every step, each output compared. */
static bool run_every_switch(struct session *s, char (*hex)[SHA256_HEX_CAP])
{
    const uint32_t n_plan = s->m->n_plan;
    for (uint32_t i = 0; i < n_plan * n_plan; i++) {
        if (i / n_plan == i % n_plan) {
            continue;
        }
        struct run_pair *w = arena_push(s->cx->keep, s->out->pair,
                                        &s->out->n_pair, &s->out->cap_pair);
        if (!w) {
            return false;
        }
        *w = (struct run_pair){.from = i / n_plan, .to = i % n_plan};
        uint32_t n_step = 1;
        for (uint32_t at = 0; at < n_step; at++) {
            const uint32_t n_before = w->n_try;
            uint32_t us = UINT32_MAX;
            for (uint32_t k = 0; k < s->setup->n_run; k++) {
                if (!try_switch(s, w, at, &n_step, &us) ||
                    !check_digests(s, s->setup->n_warmup + s->setup->n_run + at,
                                   hex)) {
                    return false;
                }
            }
            w->us = w->n_try > n_before && us > w->us ? us : w->us;
        }
    }
    return true;
}

/* All inferences; the runtime is open. */
static bool run_all(struct session *s)
{
    const struct run_setup *setup = s->setup;
    const uint32_t n = setup->n_warmup + setup->n_run;
    char(*hex)[SHA256_HEX_CAP] =
        arena_alloc_array(s->cx->scratch, s->m->n_output, sizeof *hex, 1);
    struct flx_info info;
    if (!hex || (setup->is_sequence && !make_sequence(s))) {
        return false;
    }
    flx_query(s->rt, &info);
    s->out->arena_peak = info.arena_bytes;
    for (uint32_t i = 0; i < n; i++) {
        const bool is_timed = i >= setup->n_warmup;
        if (i == setup->n_warmup && setup->trace) {
            flx_set_trace(s->rt, run_trace_hook, setup->trace);
            run_trace_restart(setup->trace);
        }
        if (!enter(s, i)) {
            return false;
        }
        write_inputs(s, i);
        if (i == setup->n_warmup) {
            s->out->longest_step_ns = 0;
        }
        const uint64_t begin = run_now_ns();
        if (setup->switches && !setup->switches->is_all && is_timed
                ? !run_with_switches(s, i - setup->n_warmup)
                : !run_whole(s)) {
            return false;
        }
        const uint64_t end = run_now_ns();
        if (is_timed) {
            s->out->ms[i - setup->n_warmup] = (double)(end - begin) / 1e6;
        }
        if (s->all) {
            add_outputs(s, i);
        } else if (!check_digests(s, i, hex)) {
            return false;
        }
    }
    if (setup->switches && setup->switches->is_all &&
        !run_every_switch(s, hex)) {
        return false;
    }
    /* Waits for loads that belong to an inference that will not come. */
    flx_set_trace(s->rt, NULL, NULL);
    flx_query(s->rt, &info);
    s->out->bytes_ahead =
        run_streamed_bytes(s->m, info.plan_id, info.n_ahead, NULL);
    s->out->bytes_read = info.bytes_read - s->out->bytes_ahead;
    s->out->n_read = info.n_read;
    qsort(s->out->ms, setup->n_run, sizeof s->out->ms[0], compare_ms);
    return check_reached(s);
}

static bool check_guard(const struct session *s)
{
    for (uint32_t i = 0; i < s->guard_bytes; i++) {
        if (s->arena[s->arena_bytes + i] != GUARD_BYTE) {
            return diag_error(s->cx->diag, E_INTERNAL, at_file(s->m->name),
                              "a byte beyond the arena's end was written, at "
                              "offset %" PRIu32 "; please report this model",
                              s->arena_bytes + i);
        }
    }
    return true;
}

static bool run_opened(struct session *s)
{
    const uint64_t idle = rss_now();
    const bool has_peak = rss_reset_peak();
    const enum flx_err err = flx_open(s->m, &s->port, s->arena, s->arena_bytes,
                                      s->setup->plan, &s->rt);
    if (err != FLX_OK) {
        return refused(s, err);
    }
    const bool ok = run_all(s);
    const uint64_t now = rss_now();
    const uint64_t peak = has_peak ? rss_peak() : now;
    const uint64_t most = peak > now ? peak : now;
    s->out->rss_over_idle = most > idle ? most - idle : 0;
    if (!ok) {
        flx_close(s->rt);
        return false;
    }
    return keep_outputs(s) && check_guard(s);
}

static bool make_result(const struct run_setup *s, struct cx *cx,
                        struct run_result *r)
{
    const struct flx_model *m = s->model->tables;
    *r = (struct run_result){
        .plan = s->plan,
        .entry = m->entry,
        .head = run_plan_head(m, s->plan),
        .n_run = s->n_run,
        .n_output = m->n_output,
        .ms = arena_new(cx->keep, double, s->n_run),
        .output = arena_new(cx->keep, struct run_tensor, m->n_output),
        .sha256 =
            arena_alloc_array(cx->keep, m->n_output, sizeof r->sha256[0], 1),
    };
    return r->ms && r->output && r->sha256;
}

bool run_exec(const struct run_setup *setup, struct cx *cx,
              struct run_result *out)
{
    struct session *s = arena_new(cx->scratch, struct session, 1);
    struct run_result r;
    if (!s || !make_result(setup, cx, &r)) {
        return false;
    }
    *s = (struct session){
        .setup = setup, .m = setup->model->tables, .cx = cx, .out = &r};
    if (!check_threads(s) || !check_blob_size(s) || !open_port(s)) {
        return false;
    }
    const bool ok = open_arena(s) && run_opened(s);
    if (s->arena) {
        flx_posix_arena_free(s->arena, s->arena_bytes);
    }
    flx_posix_close(&s->posix);
    if (ok) {
        *out = r;
    }
    return ok;
}

double run_median_ms(const struct run_result *r)
{
    const uint32_t half = r->n_run / 2;
    return r->n_run % 2 ? r->ms[half] : (r->ms[half - 1] + r->ms[half]) / 2;
}

bool run_io_tensor(const struct flx_io *io, struct cx *cx,
                   struct run_tensor *out)
{
    struct run_tensor t = {
        .name = io->name, .dtype = io->dtype, .rank = io->rank};
    if (!run_type_of(io->dtype)) {
        return diag_error(cx->diag, E_UNSUPPORTED, at_tensor(io->name),
                          "flexrun has no element type %" PRIu32, io->dtype);
    }
    for (uint32_t i = 0; i < io->rank; i++) {
        t.dim[i] = io->dim[i];
    }
    if (!run_tensor_count(&t) || run_tensor_bytes(&t) != io->bytes) {
        return diag_error(cx->diag, E_TABLE, at_tensor(io->name),
                          "its %" PRIu32 " bytes are not those of its shape; "
                          "compile the model again",
                          io->bytes);
    }
    *out = t;
    return true;
}
