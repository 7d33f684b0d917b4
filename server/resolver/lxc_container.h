/* SPDX-License-Identifier: MIT */
/*
 * One LXC container: what it does now, from what is said of it. Runs in: resolver. Trusts: nothing that is said, without proof.
 *
 * Two speak. LXC's monitor answers questions over its socket (lxc_ask.h), where the init's pidfd comes from, and tells each change to its
 * fifo (lxc_fifo.h). The fifo has every state in order, and how the init ended, but no proof; it may be silent, or another's. So:
 *
 * - A container runs (is frozen, thawed, ...) only with an init that the socket gave and that lives. What the fifo says of a container
 *   whose init is not known waits until the question for it is answered; if there is none, it is left out, and what came after is told.
 * - The init's end is the pidfd's word. Where the fifo is read that makes the container STOPPING, for LXC has yet to say how it ended and that
 *   it has STOPPED; and it is asked as well: nobody there to answer is STOPPED too, as often as not before LXC says it, and once.
 * - What the fifo says against a living init (STARTING, STOPPED) is not believed; a question settles it.
 * - In a round of the loop the fifo is read first, then answers are taken: what an LXC monitor had said before it answered is known by then.
 *   An answer to a question that was asked before something was heard is old: it may give the init, which is its own proof, but no state.
 *   So there is no way back from STOPPING to RUNNING, nor from STOPPED to STOPPING.
 * - Each change that the fifo tells is told on before the next one is made.
 */
#ifndef RESOLVER_LXC_CONTAINER_H
#define RESOLVER_LXC_CONTAINER_H

#include "lxc_ask.h"
#include "lxc_fifo.h"
#include "members.h"

#define LXC_HINTED 6 /* questions after a hint: at once, then 20 ms and 4 times as long each: 27 seconds in all */
#define LXC_WAITING_MAX 8

struct lxc_container;

/* What the containers of an lxcpath share. */
struct lxc_answers {
	bool told; /* their fifo is read */
	struct lxc_container *first, *last; /* with an answer */
};

struct lxc_container {
	struct member member; /* its entry is in the table while there is a config */
	struct lxc_answers *answers;
	struct lxc_ask ask; /* its state, then its init */
	struct lxc_ask watch; /* while it runs: the next change of state */
	uint64_t watch_began_ms;
	enum lxc_state state; /* as last answered, or heard */
	bool stated; /* @ask has got that far */
	bool again; /* a hint came while a question was open */
	struct timer retry;
	int tries; /* that are left */
	uint64_t hinted_ms; /* calmly: the first of @hints */
	unsigned hints;

	bool answered; /* @said is not looked at yet */
	struct lxc_answer said;
	struct lxc_container *next_answered;

	uint64_t heard, asked_at; /* messages of the fifo: up to now, and when @ask began */
	struct lxc_message waiting[LXC_WAITING_MAX]; /* for the init */
	unsigned nwaiting;
};

void lxc_container_init(struct lxc_container *c, struct lxc_answers *answers);
/* Nothing is asked or waited for any more. */
void lxc_container_fini(struct lxc_container *c);
/* Something happened, or is about to: it is asked now, and @tries times more until it is sure what it does. */
void lxc_container_hint(struct lxc_container *c, int tries);
/* The same from a hint that its owner gives as often as he likes. */
void lxc_container_hint_calmly(struct lxc_container *c);
/* The fifo says. */
void lxc_container_heard(struct lxc_container *c, const struct lxc_message *m);
/* Its init has ended. */
void lxc_container_ended(struct lxc_container *c);
/* Takes the answers that have come. */
void lxc_answers_settle(struct lxc_answers *answers);

#endif
