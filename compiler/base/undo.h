/* undo.h - what a program takes back when a signal ends it: temporary files,
 * folders, children. A thread waits for the signal, so that cleaning up may do
 * what a handler may not, and no global is needed. */
#ifndef FLEXC_BASE_UNDO_H
#define FLEXC_BASE_UNDO_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum undo_kind {
    UNDO_FILE,  /* removed */
    UNDO_DIR,   /* removed when empty */
    UNDO_TREE,  /* removed with all it holds */
    UNDO_CHILD, /* ended, and waited for */
};

enum { UNDO_CAP = 16 };

/* Read-only outside undo.c. */
struct undo {
    pthread_mutex_t lock; /* recursive */
    pthread_t thread;
    bool has_thread;
    bool stops;      /* undo_stop wants the thread to end */
    sigset_t waited; /* HUP, INT and TERM, without those that are ignored; and
                        what undo_stop sends */
    sigset_t before; /* the mask to return to */
    struct undo_item {
        enum undo_kind kind;
        const char *path;
        long pid;
    } item[UNDO_CAP];
    uint32_t n;
};

/* Blocks the signals in this thread and those it makes from now on, and starts
 * the thread that waits for them: it undoes the items, the last first, and lets
 * the signal end the program as it would have. Also ignores SIGXFSZ, so that a
 * limit on files is an error of a write. Without a thread to be had signals act
 * as they did before. */
void undo_start(struct undo *u);

/* Ends the thread and unblocks the signals; for the end of main. */
void undo_stop(struct undo *u);

/* Between these two no signal ends the program: for making a thing and adding
 * it, and for completing several files at once. May nest. NULL: no effect, as
 * in all that follow. */
void undo_hold(struct undo *u);
void undo_release(struct undo *u);

/* Adds an item; path is not copied and must stay until it is dropped. Beyond
 * UNDO_CAP items are left out. */
void undo_add(struct undo *u, enum undo_kind kind, const char *path);
void undo_add_child(struct undo *u, long pid);

/* Forgets an item; the one of this pointer, this pid. */
void undo_drop(struct undo *u, const char *path);
void undo_drop_child(struct undo *u, long pid);

/* Removes a folder with all it holds; what cannot be removed stays. */
void undo_remove_tree(const char *path);

#endif
