/* report_page.h - the text of report_page.html, embedded when flexc is built
 * (embed_page.cmake). */
#ifndef FLEXC_CLI_REPORT_PAGE_H
#define FLEXC_CLI_REPORT_PAGE_H

/* Ends with a NUL; holds the marker @DATA@ once. */
extern const char report_page[];

#endif
