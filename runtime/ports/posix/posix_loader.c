#include "ports/posix/posix_parts.h"

enum { SPINS = 4000 };

static void *loader_main(void *ctx)
{
    struct flx_posix *p = ctx;
    pthread_mutex_lock(&p->load_lock);
    for (;;) {
        while (p->n_load == 0 && !p->loader_stops) {
            pthread_cond_wait(&p->load_queued, &p->load_lock);
        }
        if (p->n_load == 0) {
            break;
        }
        struct flx_load *load = p->load[p->load_head];
        p->load_head = (p->load_head + 1) % FLX_MAX_IN_FLIGHT;
        p->n_load--;
        pthread_mutex_unlock(&p->load_lock);
        flx_load_run(load);
        pthread_mutex_lock(&p->load_lock);
        pthread_cond_signal(&p->load_done);
    }
    pthread_mutex_unlock(&p->load_lock);
    return NULL;
}

int flx_posix_loader_start(struct flx_posix *p)
{
    pthread_mutex_init(&p->load_lock, NULL);
    pthread_cond_init(&p->load_queued, NULL);
    pthread_cond_init(&p->load_done, NULL);
    const int err = pthread_create(&p->loader, NULL, loader_main, p);
    p->has_loader = err == 0;
    return err;
}

void flx_posix_loader_stop(struct flx_posix *p)
{
    if (p->has_loader) {
        pthread_mutex_lock(&p->load_lock);
        p->loader_stops = true;
        pthread_cond_signal(&p->load_queued);
        pthread_mutex_unlock(&p->load_lock);
        pthread_join(p->loader, NULL);
        pthread_cond_destroy(&p->load_done);
        pthread_cond_destroy(&p->load_queued);
        pthread_mutex_destroy(&p->load_lock);
    }
}

/* The queue holds what can be in flight: the core bounds it. */
void flx_posix_submit(void *ctx, struct flx_load *load)
{
    struct flx_posix *p = ctx;
    pthread_mutex_lock(&p->load_lock);
    p->load[(p->load_head + p->n_load) % FLX_MAX_IN_FLIGHT] = load;
    p->n_load++;
    pthread_cond_signal(&p->load_queued);
    pthread_mutex_unlock(&p->load_lock);
}

void flx_posix_wait_load(void *ctx, const _Atomic uint32_t *done)
{
    struct flx_posix *p = ctx;
    for (uint32_t i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(done, memory_order_acquire) != 0) {
            return;
        }
    }
    /* The loader signals with the lock held after each load. */
    pthread_mutex_lock(&p->load_lock);
    while (atomic_load_explicit(done, memory_order_acquire) == 0) {
        pthread_cond_wait(&p->load_done, &p->load_lock);
    }
    pthread_mutex_unlock(&p->load_lock);
}
