#include "ports/posix/posix_parts.h"

#include <sched.h>

/* Waiting for a word: some ten microseconds by looking at it alone, the gap
 * between two boxes; then about a millisecond in which others may have the
 * core, the difference between two parts; then asleep, as waking can take a
 * tenth of a millisecond. */
enum { SPINS = 20000, YIELDS = 2000 };

static void pause_spin(uint32_t i)
{
    if (i >= SPINS) {
        (void)sched_yield();
    }
}

/* Sleeping and waking, for workers (job) and caller (n_running): who sleeps
 * announces it and looks again, who changes the word looks for sleepers
 * afterwards; both in the one order of sequentially consistent operations, so
 * one of them sees the other. The lock closes the gap up to the wait. */

static uint32_t await_job(struct flx_posix *p, uint32_t last)
{
    for (uint32_t i = 0; i < SPINS + YIELDS; i++) {
        const uint32_t job = atomic_load(&p->job);
        if (job != last) {
            return job;
        }
        pause_spin(i);
    }
    pthread_mutex_lock(&p->job_lock);
    atomic_fetch_add(&p->n_asleep, 1);
    while (atomic_load(&p->job) == last) {
        pthread_cond_wait(&p->job_posted, &p->job_lock);
    }
    atomic_fetch_sub(&p->n_asleep, 1);
    pthread_mutex_unlock(&p->job_lock);
    return atomic_load(&p->job);
}

static void run_parts(const struct flx_posix *p, uint32_t first)
{
    for (uint32_t i = first; i < p->n_part; i += p->n_worker + 1) {
        p->fn(p->arg, i, p->n_part);
    }
}

static void *worker_main(void *ctx)
{
    struct flx_posix *p = ctx;
    const uint32_t me = atomic_fetch_add(&p->ticket, 1) + 1;
    uint32_t job = 0;
    for (;;) {
        job = await_job(p, job);
        if (p->workers_stop) {
            return NULL;
        }
        run_parts(p, me);
        if (atomic_fetch_sub(&p->n_running, 1) == 1 &&
            atomic_load(&p->caller_sleeps) != 0) {
            pthread_mutex_lock(&p->job_lock);
            pthread_cond_signal(&p->job_done);
            pthread_mutex_unlock(&p->job_lock);
        }
    }
}

static void post_job(struct flx_posix *p)
{
    atomic_fetch_add(&p->job, 1);
    if (atomic_load(&p->n_asleep) != 0) {
        pthread_mutex_lock(&p->job_lock);
        pthread_cond_broadcast(&p->job_posted);
        pthread_mutex_unlock(&p->job_lock);
    }
}

int flx_posix_workers_start(struct flx_posix *p, uint32_t n_worker)
{
    pthread_mutex_init(&p->job_lock, NULL);
    pthread_cond_init(&p->job_posted, NULL);
    pthread_cond_init(&p->job_done, NULL);
    p->n_worker = n_worker;
    int err = 0;
    while (err == 0 && p->n_started < n_worker) {
        err = pthread_create(&p->worker[p->n_started], NULL, worker_main, p);
        p->n_started += err == 0;
    }
    if (err != 0) {
        flx_posix_workers_stop(p);
    }
    return err;
}

void flx_posix_workers_stop(struct flx_posix *p)
{
    p->workers_stop = true;
    post_job(p);
    for (uint32_t i = 0; i < p->n_started; i++) {
        pthread_join(p->worker[i], NULL);
    }
    pthread_cond_destroy(&p->job_done);
    pthread_cond_destroy(&p->job_posted);
    pthread_mutex_destroy(&p->job_lock);
}

void flx_posix_parallel(void *ctx,
                        void (*fn)(void *arg, uint32_t part, uint32_t n),
                        void *arg, uint32_t n)
{
    struct flx_posix *p = ctx;
    p->fn = fn;
    p->arg = arg;
    p->n_part = n;
    atomic_store(&p->n_running, p->n_worker);
    post_job(p);
    run_parts(p, 0);
    for (uint32_t i = 0; i < SPINS + YIELDS; i++) {
        if (atomic_load(&p->n_running) == 0) {
            return;
        }
        pause_spin(i);
    }
    pthread_mutex_lock(&p->job_lock);
    atomic_store(&p->caller_sleeps, 1);
    while (atomic_load(&p->n_running) != 0) {
        pthread_cond_wait(&p->job_done, &p->job_lock);
    }
    atomic_store(&p->caller_sleeps, 0);
    pthread_mutex_unlock(&p->job_lock);
}
