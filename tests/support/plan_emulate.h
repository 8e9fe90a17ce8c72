/* plan_emulate.h - executes a plan on a memory of tags: what each byte holds is
 * written down, and every box, reader and caller looks whether it finds what
 * it should. Knows nothing of planner or plan_check. */
#ifndef FLEXC_TESTS_PLAN_EMULATE_H
#define FLEXC_TESTS_PLAN_EMULATE_H

#include "ir/plan.h"
#include "support/layers_build.h"

/* When loads happen: as soon as their waits allow, or when a box needs them. */
enum emulate_when { EMULATE_EAGER, EMULATE_LAZY };

/* Executes three runs; all bytes of a layer's output row are one tag, shared
 * evenly by its panels. False: something was not what it should be, `why` says
 * what. The plan's indices must be in range. */
bool plan_emulate(const struct net *n, const struct plan *p,
                  enum emulate_when when, const char **why);

#endif
