/* attr.h - attributes and small compile-time helpers, by name. */
#ifndef FLEXC_BASE_ATTR_H
#define FLEXC_BASE_ATTR_H

#if defined(__GNUC__)
#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF(format_ix, first_ix)                                            \
    __attribute__((format(printf, format_ix, first_ix)))
#define UNUSED __attribute__((unused))
#define NORETURN __attribute__((noreturn))
#else
#define NODISCARD
#define PRINTF(format_ix, first_ix)
#define UNUSED
#define NORETURN
#endif

/* Elements of an array; not of a pointer. */
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
