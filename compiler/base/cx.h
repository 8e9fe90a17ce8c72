/* cx.h - what every stage is given besides its input: memory, the place for
 * the reason of a refusal, and the options. */
#ifndef FLEXC_BASE_CX_H
#define FLEXC_BASE_CX_H

struct arena;
struct diag;
struct options; /* defined by the folder that parses them */

/* keep      holds what the stage returns; outlives it
 * scratch   the stage's own; it rewinds what it took before it returns
 * diag      the reason when the stage returns false
 * opt       read-only; may be NULL where the stage's header says so
 * None is owned; one thread at a time. */
struct cx {
    struct arena *keep;
    struct arena *scratch;
    struct diag *diag;
    const struct options *opt;
};

#endif
