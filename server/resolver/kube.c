/* SPDX-License-Identifier: MIT */
/* What containers of Kubernetes are called. Runs in: resolver. See kube.h. */
#include "kube.h"

#include <stdio.h>
#include <string.h>

bool kube_is_word(const char *s)
{
	return s && *s && !strchr(s, '/');
}

static bool fits(char name[ROOT_NAME_MAX + 1], int len)
{
	if (len > 0 && len <= ROOT_NAME_MAX)
		return true;
	name[0] = '\0';
	return false;
}

bool kube_name(char name[ROOT_NAME_MAX + 1], const char *namespace, const char *pod, const char *container)
{
	int n = 0;

	if (kube_is_word(namespace) && kube_is_word(pod) && kube_is_word(container))
		n = snprintf(name, ROOT_NAME_MAX + 1, "%s/%s/%s", namespace, pod, container);
	return fits(name, n);
}

bool kube_sandbox_name(char name[ROOT_NAME_MAX + 1], const char *namespace, const char *pod)
{
	int n = 0;

	if (kube_is_word(namespace) && kube_is_word(pod))
		n = snprintf(name, ROOT_NAME_MAX + 1, "%s/%s", namespace, pod);
	return fits(name, n);
}
