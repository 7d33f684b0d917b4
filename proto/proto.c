/* SPDX-License-Identifier: MIT */
#include "proto.h"

#include <errno.h>
#include <stddef.h>

#define MSG_FROM(sender) MSG_FROM_##sender

static const struct msg_info messages[] = {
#define MSG(name, number, sender, fds) {number, MSG_FROM(sender), fds, #name},
#include "messages.def"
#undef MSG
};

const struct msg_info *msg_info(uint16_t type)
{
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		if (messages[i].type == type)
			return &messages[i];
	}
	return NULL;
}

static const struct {
	uint16_t status;
	int error;
	const char *text;
} statuses[] = {
#define STATUS(name, number, error, text) {number, error, text},
#include "statuses.def"
#undef STATUS
};

int status_errno(uint16_t status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].status == status)
			return statuses[i].error;
	}
	return EPROTO;
}

const char *status_text(int error)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].error == error)
			return statuses[i].text;
	}
	return NULL;
}
