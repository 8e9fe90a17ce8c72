#include "run/run_build.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/sha256.h"
#include "base/undo.h"
#include "run/run_child.h"

#define WAY_OUT "set CC to a C compiler"
static const char default_flags[] = "-std=c11 -O3 -ffp-contract=off";

/* ---- what a build is made of --------------------------------------------- */

/* $CC, else the first compiler there is; may hold arguments. */
static const char *find_compiler(struct cx *cx)
{
    static const char *const known[] = {"clang", "gcc", "cc"};
    const char *given = getenv("CC");
    if (given && *given) {
        return given;
    }
    for (uint32_t i = 0; i < ARRAY_LEN(known); i++) {
        if (run_child_exists(known[i], cx->scratch)) {
            return known[i];
        }
    }
    diag_error(cx->diag, E_CHILD, at_none(),
               "there is no clang, gcc or cc to build the model with; " WAY_OUT
               ", or compile with flexc --tables");
    return NULL;
}

/* The value of `FLEX_CFLAGS = ...` in DIR/Makefile, or the default. */
static const char *find_flags(const char *dir, struct cx *cx)
{
    static const char key[] = "FLEX_CFLAGS = ";
    const char *path = path_join(cx->scratch, dir, "Makefile");
    struct file_map map;
    const char *flags = default_flags;
    struct diag side;
    diag_init(&side);
    if (!path || !file_map(path, &side, &map)) {
        return flags;
    }
    struct span rest = map.bytes;
    struct span line;
    while (span_line(&rest, &line)) {
        const size_t n = sizeof key - 1;
        if (line.len >= n && memcmp(line.data, key, n) == 0) {
            flags = arena_strndup(cx->scratch, (const char *)line.data + n,
                                  line.len - n);
        }
    }
    file_unmap(&map);
    return flags;
}

/* Where the headers are: `root` holds flexrt/, `bodies` holds kernels/. */
struct headers {
    const char *root;
    const char *bodies;
};

/* root/flexrt/flexrt.h, and kernels/ in one of three places beside it. */
static bool try_headers(const char *root, struct cx *cx, struct headers *out)
{
    static const char *const where[] = {".", "flexrt", ".."};
    const char *own = path_join(cx->scratch, root, "flexrt/flexrt.h");
    if (!own || !file_exists(own)) {
        return false;
    }
    for (uint32_t i = 0; i < ARRAY_LEN(where); i++) {
        const char *dir = arena_printf(cx->scratch, "%s/%s", root, where[i]);
        const char *body = dir ? path_join(cx->scratch, dir, "kernels") : NULL;
        if (body && access(body, R_OK) == 0) {
            *out = (struct headers){root, dir};
            return true;
        }
    }
    return false;
}

static bool find_headers(struct cx *cx, struct headers *out)
{
    const char *given = getenv("FLEXRT_INCLUDE");
    if (given && *given) {
        return try_headers(given, cx, out) ||
               diag_error(cx->diag, E_NO_FILE, at_file(given),
                          "FLEXRT_INCLUDE has no flexrt/flexrt.h and kernels/");
    }
    const char *own = run_child_own_dir(cx->scratch);
    const char *prefix =
        own ? arena_printf(cx->scratch, "%s/../include", own) : NULL;
    return (prefix && try_headers(prefix, cx, out)) ||
           try_headers(FLEXRUN_RUNTIME_DIR "/include", cx, out) ||
           diag_error(cx->diag, E_NO_FILE, at_file("flexrt/flexrt.h"),
                      "the runtime's headers are neither in %s nor in %s; set "
                      "FLEXRT_INCLUDE to their folder",
                      prefix ? prefix : "PREFIX/include",
                      FLEXRUN_RUNTIME_DIR "/include");
}

/* ---- the key ------------------------------------------------------------- */

static bool add_file(struct sha256 *s, const char *path, struct cx *cx)
{
    struct file_map map;
    if (!file_map(path, cx->diag, &map)) {
        return false;
    }
    /* Not the folder: it may be given in several ways. */
    sha256_add(s, path_base(path), strlen(path_base(path)) + 1);
    sha256_add(s, map.bytes.data, map.bytes.len);
    file_unmap(&map);
    return true;
}

static int is_header(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && (strcmp(dot, ".h") == 0 || strcmp(dot, ".def") == 0);
}

/* Every header of a folder, in the order of their names. */
static bool add_folder(struct sha256 *s, const char *dir, struct cx *cx)
{
    struct dirent **entry = NULL;
    const int n = scandir(dir, &entry, is_header, alphasort);
    bool ok = n >= 0 || diag_error(cx->diag, E_NO_FILE, at_file(dir),
                                   "the folder cannot be read");
    for (int i = 0; i < n; i++) {
        const char *path = path_join(cx->scratch, dir, entry[i]->d_name);
        ok = ok && path && add_file(s, path, cx);
        free(entry[i]);
    }
    free(entry);
    return ok;
}

/* The digest of everything that the library's bytes depend on. */
static bool make_key(const struct run_argv *v, const char *source,
                     const char *header, const char *version,
                     const struct headers *h, struct cx *cx,
                     char out[SHA256_HEX_CAP])
{
    struct sha256 s;
    uint8_t digest[SHA256_BYTES];
    const char *api = path_join(cx->scratch, h->root, "flexrt");
    const char *bodies = path_join(cx->scratch, h->bodies, "kernels");
    sha256_init(&s);
    for (uint32_t i = 0; i < v->n; i++) {
        sha256_add(&s, v->item[i], strlen(v->item[i]) + 1);
    }
    sha256_add(&s, version, strlen(version) + 1);
    if (!api || !bodies || !add_file(&s, source, cx) ||
        (file_exists(header) && !add_file(&s, header, cx)) ||
        !add_folder(&s, api, cx) || !add_folder(&s, bodies, cx)) {
        return false;
    }
    sha256_end(&s, digest);
    sha256_hex(digest, out);
    return true;
}

/* What the compiler calls itself. */
static const char *compiler_version(const char *compiler, struct cx *cx)
{
    struct run_argv v = {.arena = cx->scratch};
    return run_argv_words(&v, compiler) && run_argv_add(&v, "--version")
               ? run_child_line(&v, WAY_OUT, cx)
               : NULL;
}

/* ---- building ------------------------------------------------------------ */

struct paths {
    const char *source;
    const char *header;
    const char *so;
    const char *key;
    const char *temp; /* the library before it is renamed */
};

static bool make_paths(const char *dir, const char *name, struct cx *cx,
                       struct paths *p)
{
    const char *stem = path_join(cx->keep, dir, name);
    if (!stem) {
        return false;
    }
    *p = (struct paths){
        .source = arena_printf(cx->keep, "%s.c", stem),
        .header = arena_printf(cx->keep, "%s.h", stem),
        /* With a '/', so that dlopen does not search. */
        .so = arena_printf(cx->keep, "%s%s.so", strchr(stem, '/') ? "" : "./",
                           stem),
        .key = arena_printf(cx->keep, "%s.so.key", stem),
        .temp = arena_printf(cx->keep, "%s.%ld.tmp.so", stem, (long)getpid()),
    };
    return p->source && p->header && p->so && p->key && p->temp;
}

static bool compile(const struct run_argv *v, const struct paths *p,
                    struct cx *cx)
{
    int code = 0;
    if (!run_child(v, NULL, WAY_OUT, cx, &code)) {
        return false;
    }
    return code == 0 || diag_error(cx->diag, E_CHILD, at_file(p->source),
                                   "%s ends with code %d, its messages are "
                                   "above; another compiler: CC=...",
                                   v->item[0], code);
}

static bool compile_into_place(const struct run_argv *v, const struct paths *p,
                               const char *key, const char *version,
                               struct cx *cx)
{
    const char *const text =
        arena_printf(cx->scratch, "%s\n%s\n", key, version);
    if (!text) {
        return false;
    }
    struct undo *const undo = cx->diag->undo;
    undo_add(undo, UNDO_FILE, p->temp);
    bool ok = compile(v, p, cx);
    undo_hold(undo);
    if (ok) {
        /* Without a key a library is stale: never an old key beside a new
         * one. */
        (void)unlink(p->key);
        ok = rename(p->temp, p->so) == 0 ||
             diag_error(cx->diag, E_IO, at_file(p->so),
                        "cannot rename the library into place: %s",
                        strerror(errno));
        ok = ok && file_write(p->key, span_of_str(text), cx->scratch, cx->diag);
    }
    (void)unlink(p->temp); /* there after a failure only */
    undo_drop(undo, p->temp);
    undo_release(undo);
    return ok;
}

bool run_build(const char *dir, const char *name, bool no_build, struct cx *cx,
               const char **so_path)
{
    struct paths p = {0};
    struct headers h = {"", ""};
    struct run_argv v = {.arena = cx->scratch};
    char key[SHA256_HEX_CAP];
    const char *compiler = find_compiler(cx);
    const char *flags = find_flags(dir, cx);
    if (!compiler || !flags || !make_paths(dir, name, cx, &p) ||
        !find_headers(cx, &h)) {
        return false;
    }
    /* Without a child the version is the one that built it. */
    const char *version =
        no_build ? run_line(p.key, 1, cx) : compiler_version(compiler, cx);
    if (!version || !run_argv_words(&v, compiler) ||
        !run_argv_words(&v, flags) ||
        !run_argv_words(&v, "-DFLX_NAMES -shared -fPIC") ||
        !run_argv_add2(&v, "-I", h.root) ||
        !run_argv_add2(&v, "-I", h.bodies) ||
        !make_key(&v, p.source, p.header, version, &h, cx, key)) {
        return false;
    }
    const char *old = run_line(p.key, 0, cx);
    *so_path = p.so;
    if (file_exists(p.so) && strcmp(old, key) == 0) {
        return true;
    }
    if (no_build) {
        return diag_error(cx->diag, E_INPUT, at_file(p.so),
                          "%s and --no-build forbids to build it",
                          file_exists(p.so) ? "is older than its source, "
                                              "headers, flags or compiler,"
                                            : "is not there");
    }
    if (access(dir, W_OK) != 0) {
        return diag_error(cx->diag, E_IO, at_file(p.so),
                          "cannot be built: %s; make the folder writable or "
                          "copy it, or compile with flexc --tables",
                          strerror(errno));
    }
    if (!run_argv_add2(&v, "-o", p.temp) || !run_argv_add(&v, p.source) ||
        !run_argv_add(&v, "-lm")) {
        return false;
    }
    return compile_into_place(&v, &p, key, version, cx);
}
