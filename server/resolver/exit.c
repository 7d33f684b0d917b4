/* SPDX-License-Identifier: MIT */
/* How a process ended. Runs in: resolver. See exit.h. */
#include "exit.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "pidfd_info.h"

int exit_status(int pidfd, uint32_t *ret)
{
	struct pidfd_info_v0 info = {.mask = PIDFD_INFO_EXIT_V0};

	if (ioctl(pidfd, PIDFD_GET_INFO_V0, &info) < 0)
		return -errno;
	/* The mask that comes back says what the kernel knows. */
	if (!(info.mask & PIDFD_INFO_EXIT_V0))
		return -EAGAIN;
	*ret = (uint32_t)info.exit_code;
	return 0;
}
