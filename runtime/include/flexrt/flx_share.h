/* flx_share.h - several models in one arena: a total budget is divided between
 * them by what their plans gain, and divided anew when it changes.
 *
 * The models lie one after the other from the arena's start, each with the
 * bytes that its plan needs, and run in turn, on one thread at a time. Uses
 * flexrt.h only; allocates nothing. */
#ifndef FLEXRT_FLX_SHARE_H
#define FLEXRT_FLX_SHARE_H

#include "flexrt/flexrt.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The most divisions that flx_share_set compares: the product of the numbers of
 * plans. */
enum { FLX_SHARE_MOST = 1 << 20 };

struct flx_share {
    /* Set by the caller, who keeps them until the end. */
    const struct flx_model *model;
    const struct flx_port *port; /* of its own: storage is not shared */
    uint32_t weight; /* inferences of this model for one of weight 1; 0: its
                        time does not count */

    /* Set by flx_share_set; zero before the first. */
    struct flx *rt; /* NULL: not open */
    uint8_t *base;  /* of its part */
    uint32_t bytes; /* of its part */
    uint32_t plan_id;
};

/* Gives each of n models the plan with which the weighted sum of their
 * predicted latencies is least, all plans together within `bytes` (parts begin
 * at multiples of the models' align), and opens, switches, or closes and opens
 * again, each where that has to be. A model that stays where it is and shrinks
 * keeps its residents; one that moves or grows reads them again, and its states
 * (flexc --state), like its inputs, are lost: save and restore those in need.
 *
 *   s      n > 0; all idle: between inferences. Outputs that are still wanted
 *          are read before, inputs written afterwards; s[i].rt may change
 *   arena  aligned to every model's align; holds `bytes`
 *   used   bytes from the arena's start that are in use; what lies above is the
 *          caller's. May be NULL
 *
 * FLX_E_ARG    n is 0, or there are more divisions than FLX_SHARE_MOST
 * FLX_E_ARENA  no division fits `bytes`, or the arena is misaligned. In all
 *              three cases nothing has changed
 * else an error of flx_open or flx_settle: all are closed
 *
 * Time: that of the divisions, and of what is opened. */
enum flx_err flx_share_set(struct flx_share *s, uint32_t n, void *arena,
                           uint32_t bytes, uint32_t *used);

/* Closes all that are open. */
void flx_share_close(struct flx_share *s, uint32_t n);

#ifdef __cplusplus
}
#endif

#endif
