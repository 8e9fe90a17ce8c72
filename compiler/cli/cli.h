/* cli.h - flexc as people meet it: arguments in, exit code out. */
#ifndef FLEXC_CLI_CLI_H
#define FLEXC_CLI_CLI_H

/* Runs one command. Owns stdout and stderr; frees all it takes. Returns the
 * exit code: 0 done, 1 bad input, 2 usage, 3 no feasible plan, 4 system. */
int cli_main(int argc, char **argv);

#endif
