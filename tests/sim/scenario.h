/*
 * scenario: a run of the simulator as a text file. One statement a line, # begins a comment:
 *
 *   nodes 8 [bare]                  bare: no store, rooms or federation behind the transport
 *   net LATENCY JITTER BYTES/S      20ms 5ms 1000000; 0 bytes: no bound
 *   cost 300us                      of a request, on a bare node's processor
 *   friends all|line|ring|star      who is paired with whom
 *   room                            one room with all of them
 *   every 2s message|todevice|ask   somebody to somebody
 *   every 20s cut|lose|oneway|restart 1s 30s   for between so long; a pair of friends, or a
 * node at 60s clock 1 87600h           a node's wall clock jumps ("-87600h": back) at 60s lie 2
 * | truth 2          a node acknowledges what it doesn't take at 60s flood 1 0 | calm 1 node 1
 * sends node 0 all it can run 10m                         what comes before happens in this
 * time settle 5m                       then all is whole, and what is due must arrive handshake
 * 16                    instead of run: cuts a pairing and a reconnection at each 16th byte,
 * with the rest missing or cut short expect delivered|asked PERCENT, expect p95|max|asked-p95
 * MS expect flood RATIO              asked-p95 while a node floods against before, at most
 *   expect dials N                  of one node in a minute, at most
 */
#ifndef KITH_TESTS_SIM_SCENARIO_H
#define KITH_TESTS_SIM_SCENARIO_H

#include "tests/sim/world.h"

struct scenario;

/* NULL and a line on stderr: not readable. */
struct scenario *scenario_read(const char *path);
void scenario_free(struct scenario *s);

/* Runs it and prints a line of the table. False: something that must hold didn't; it says what,
 * with the seed. *trace: a hash of all that happened. */
bool scenario_run(const struct scenario *s, uint64_t seed, uint64_t *trace);

#endif
