#include "base/undo.h"

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"

static int remove_entry(const char *path, const struct stat *st UNUSED,
                        int kind UNUSED, struct FTW *where UNUSED)
{
    (void)remove(path);
    return 0;
}

void undo_remove_tree(const char *path)
{
    (void)nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void take_back(const struct undo_item *i)
{
    siginfo_t info;
    switch (i->kind) {
    case UNDO_FILE:
        (void)unlink(i->path);
        break;
    case UNDO_DIR:
        (void)rmdir(i->path);
        break;
    case UNDO_TREE:
        undo_remove_tree(i->path);
        break;
    case UNDO_CHILD:
        /* What it leaves is ours to remove, so it has to be gone before. The
         * main thread may be waiting for it too, hence WNOWAIT. */
        (void)kill((pid_t)i->pid, SIGTERM);
        (void)waitid(P_PID, (id_t)i->pid, &info, WEXITED | WNOWAIT);
        break;
    }
}

/* What undo_stop wakes the thread with. Cancelling it would have glibc load
 * libgcc to unwind, and abort where there is no memory for that. */
enum { WAKE = SIGUSR2 };

static void *wait_for_signal(void *arg)
{
    struct undo *const u = arg;
    int sig = 0;
    while (sigwait(&u->waited, &sig) != 0) {
    }
    /* Never unlocked when a signal is served: nothing else is made. */
    undo_hold(u);
    if (u->stops && sig == WAKE) {
        undo_release(u);
        return NULL;
    }
    for (uint32_t i = u->n; i-- > 0;) {
        take_back(&u->item[i]);
    }
    sigset_t one;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, sig);
    (void)raise(sig);
    (void)pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    _exit(128 + sig); /* not reached: the signal has ended us */
}

void undo_start(struct undo *u)
{
    static const int ends[] = {SIGHUP, SIGINT, SIGTERM};
    pthread_mutexattr_t attr;
    *u = (struct undo){.has_thread = false};
    (void)pthread_mutexattr_init(&attr);
    (void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(&u->lock, &attr);
    (void)pthread_mutexattr_destroy(&attr);
    (void)sigemptyset(&u->waited);
    for (uint32_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct sigaction now;
        /* nohup's wish is not overruled */
        if (sigaction(ends[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) {
            (void)sigaddset(&u->waited, ends[i]);
        }
    }
    (void)sigaddset(&u->waited, WAKE);
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)pthread_sigmask(SIG_BLOCK, &u->waited, &u->before);
    u->has_thread = pthread_create(&u->thread, NULL, wait_for_signal, u) == 0;
    if (!u->has_thread) {
        (void)pthread_sigmask(SIG_SETMASK, &u->before, NULL);
    }
}

void undo_stop(struct undo *u)
{
    if (u->has_thread) {
        /* Held, so that a signal that is being served is served to its end. */
        undo_hold(u);
        u->stops = true;
        (void)pthread_kill(u->thread, WAKE);
        undo_release(u);
        (void)pthread_join(u->thread, NULL);
        (void)pthread_sigmask(SIG_SETMASK, &u->before, NULL);
        u->has_thread = false;
    }
    (void)pthread_mutex_destroy(&u->lock);
}

void undo_hold(struct undo *u)
{
    if (u) {
        (void)pthread_mutex_lock(&u->lock);
    }
}

void undo_release(struct undo *u)
{
    if (u) {
        (void)pthread_mutex_unlock(&u->lock);
    }
}

static void add(struct undo *u, struct undo_item item)
{
    undo_hold(u);
    if (u && u->n < UNDO_CAP) {
        u->item[u->n++] = item;
    }
    undo_release(u);
}

static void drop(struct undo *u, const char *path, long pid)
{
    undo_hold(u);
    for (uint32_t i = u ? u->n : 0; i-- > 0;) {
        if (u->item[i].path == path && u->item[i].pid == pid) {
            memmove(&u->item[i], &u->item[i + 1],
                    (u->n - i - 1) * sizeof u->item[0]);
            u->n--;
            break;
        }
    }
    undo_release(u);
}

void undo_add(struct undo *u, enum undo_kind kind, const char *path)
{
    add(u, (struct undo_item){kind, path, 0});
}

void undo_add_child(struct undo *u, long pid)
{
    add(u, (struct undo_item){UNDO_CHILD, NULL, pid});
}

void undo_drop(struct undo *u, const char *path)
{
    drop(u, path, 0);
}

void undo_drop_child(struct undo *u, long pid)
{
    drop(u, NULL, pid);
}
