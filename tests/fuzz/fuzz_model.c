#include "fuzz/fuzz_model.h"

#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "fuzz/fuzz_net.h"
#include "support/rt_model.h"

enum { N_BY_HAND = 4, N_THREAD = 3 };

static void build_by_hand(uint32_t ix, struct fuzz_model *out)
{
    static const struct rt_options k_options[N_BY_HAND] = {
        {.n_thread = N_THREAD},
        {.n_thread = N_THREAD, .align = 4096},
        {.n_thread = N_THREAD, .compress = true},
        {.n_thread = N_THREAD, .mapped = true},
    };
    struct rt_model *const m = calloc(1, sizeof *m);
    uint8_t *const io = calloc(2, RT_IO_BYTES);
    fuzz_check(m && io, "the machine has memory");
    rt_model_build(m, &k_options[ix]);
    rt_input(1, io);
    rt_expect(m, 1, io + RT_IO_BYTES);
    *out = (struct fuzz_model){&m->model, m->blob, io, io + RT_IO_BYTES};
}

const struct fuzz_model *fuzz_model(uint32_t ix)
{
    static struct fuzz_model k_model[FUZZ_N_MODEL];
    ix %= FUZZ_N_MODEL;
    struct fuzz_model *const m = &k_model[ix];
    if (!m->tables && ix < N_BY_HAND) {
        build_by_hand(ix, m);
    } else if (!m->tables) {
        const struct fuzz_net *const n = fuzz_net(ix == FUZZ_N_MODEL - 1);
        *m = (struct fuzz_model){n->model.tables, buf_bytes(&n->blob).data,
                                 n->input, n->output};
    }
    return m;
}
