/* SPDX-License-Identifier: MIT */
/* What containers of Kubernetes are called, whichever engine runs them. Runs in: resolver. Trusts: nothing. */
#ifndef RESOLVER_KUBE_H
#define RESOLVER_KUBE_H

#include <stdbool.h>

#include "../../include/rootbroker.h"

/* One component of a name: with a slash in it, it could pass for two. NULL is none. */
bool kube_is_word(const char *s);
/* NAMESPACE/POD/CONTAINER or, for what holds the pod's namespaces, NAMESPACE/POD. False, and "", if a component is none or it is too
 * long. */
bool kube_name(char name[ROOT_NAME_MAX + 1], const char *namespace, const char *pod, const char *container);
bool kube_sandbox_name(char name[ROOT_NAME_MAX + 1], const char *namespace, const char *pod);

#endif
