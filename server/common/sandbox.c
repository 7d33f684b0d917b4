/* SPDX-License-Identifier: MIT */
/*
 * How a confined process locks itself in. Runs in: frontend, resolver, joiner; before the first byte from anybody.
 */
#include <errno.h>
#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "cleanup.h"
#include "log.h"
#include "sandbox.h"

/* --- Landlock ---------------------------------------------------------------------------------------------------- */

/* The kernel's interface, in full: the header of the build machine may be older than the kernel that runs. */
#define LL_CREATE_VERSION 1u

struct ll_ruleset {
	uint64_t fs, net, scope;
};

/* What each version of the interface can deny; a kernel knows the rows up to its own number. */
static const struct {
	int abi;
	struct ll_ruleset handled;
	size_t size; /* of the structure that this kernel takes */
} ll_versions[] = {
	{1, {0x1fff, 0, 0}, 8}, /* execute ... make_sym */
	{2, {0x3fff, 0, 0}, 8}, /* refer */
	{3, {0x7fff, 0, 0}, 8}, /* truncate */
	{4, {0x7fff, 0x3, 0}, 16}, /* bind, connect TCP */
	{5, {0xffff, 0x3, 0}, 16}, /* ioctl on devices */
	{6, {0xffff, 0x3, 0x3}, 24}, /* abstract sockets, signals */
};

static int ll_create(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LL_CREATE_VERSION);
	size_t i = sizeof(ll_versions) / sizeof(ll_versions[0]) - 1;
	long fd;

	if (abi < 0)
		return -errno;
	if (abi == 0)
		return -EOPNOTSUPP;
	while (ll_versions[i].abi > abi)
		i--;
	fd = syscall(SYS_landlock_create_ruleset, &ll_versions[i].handled, ll_versions[i].size, 0);
	return fd < 0 ? -errno : (int)fd;
}

static int ll_enter(const char *const *paths, size_t npaths, const char **step)
{
	static char text[256];
	autoclose int ruleset = ll_create();

	*step = "Landlock";
	if (ruleset < 0)
		return ruleset;
	for (size_t i = 0; i < npaths; i++) {
		int r = sandbox_allow_path ? sandbox_allow_path(ruleset, paths[i]) : -ENOSYS;

		if (r < 0) {
			(void)snprintf(text, sizeof(text), "Landlock rule for %s", paths[i]);
			*step = text;
			return r;
		}
	}
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}

/* --- Reading back ------------------------------------------------------------------------------------------------ */

int sandbox_read(struct sandbox_facts *ret_facts)
{
	struct sandbox_facts f = {0};

	if (getresuid(&f.uid[0], &f.uid[1], &f.uid[2]) < 0 || getresgid(&f.gid[0], &f.gid[1], &f.gid[2]) < 0)
		return -errno;
	/* An id that does not exist changes nothing: this only asks. */
	f.uid[3] = (uid_t)setfsuid((uid_t)-1);
	f.gid[3] = (gid_t)setfsgid((gid_t)-1);
	f.ngroups = getgroups(0, NULL);
	if (f.ngroups < 0 || (f.ngroups == 1 && getgroups(1, &f.group) < 0))
		return -errno;
	f.no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	f.dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	if (prctl(PR_GET_PDEATHSIG, &f.death_signal, 0, 0, 0) < 0)
		return -errno;
	*ret_facts = f;
	return caps_read(&ret_facts->caps);
}

const char *sandbox_judge(const struct sandbox *s, const struct sandbox_facts *f)
{
	for (int i = 0; i < 4; i++) {
		if (f->uid[i] == 0 || f->uid[i] != f->uid[0])
			return "uid: root's, or not the same in every place";
		if (f->gid[i] == 0 || f->gid[i] != f->gid[0])
			return "gid: root's, or not the same in every place";
	}
	if (f->ngroups != 0 && (f->ngroups != 1 || f->group != f->gid[0]))
		return "supplementary groups";
	if (f->caps.effective != s->caps)
		return "effective capabilities";
	if (f->caps.permitted != s->caps)
		return "permitted capabilities";
	if (f->caps.inheritable != 0)
		return "inheritable capabilities";
	if (f->caps.ambient != 0)
		return "ambient capabilities";
	if (f->caps.bounding & ~s->caps)
		return "bounding capabilities";
	if (f->no_new_privs != 1)
		return "no_new_privs";
	if (f->dumpable != 0)
		return "dumpable";
	if (f->death_signal != SIGKILL)
		return "parent-death signal";
	return NULL;
}

/* --- The filter -------------------------------------------------------------------------------------------------- */

#ifdef ROOTBROKER_SANITIZE
/* Memory and signals of the run-time, and what it needs to write a report. */
const struct sandbox_call sandbox_sanitizer_calls[] = {
	{SCMP_SYS(mmap), false, 0},         {SCMP_SYS(munmap), false, 0},       {SCMP_SYS(mremap), false, 0},
	{SCMP_SYS(mprotect), false, 0},     {SCMP_SYS(madvise), false, 0},      {SCMP_SYS(brk), false, 0},
	{SCMP_SYS(sigaltstack), false, 0},  {SCMP_SYS(rt_sigaction), false, 0}, {SCMP_SYS(rt_sigprocmask), false, 0},
	{SCMP_SYS(rt_sigreturn), false, 0}, {SCMP_SYS(futex), false, 0},        {SCMP_SYS(sched_yield), false, 0},
	{SCMP_SYS(getpid), false, 0},       {SCMP_SYS(gettid), false, 0},       {SCMP_SYS(tgkill), false, 0},
	{SCMP_SYS(getrlimit), false, 0},    {SCMP_SYS(prlimit64), false, 0},    {SCMP_SYS(clock_gettime), false, 0},
	{SCMP_SYS(openat), false, 0},       {SCMP_SYS(open), false, 0},         {SCMP_SYS(read), false, 0},
	{SCMP_SYS(pread64), false, 0},      {SCMP_SYS(lseek), false, 0},        {SCMP_SYS(close), false, 0},
	{SCMP_SYS(fstat), false, 0},        {SCMP_SYS(stat), false, 0},         {SCMP_SYS(newfstatat), false, 0},
	{SCMP_SYS(readlink), false, 0},     {SCMP_SYS(readlinkat), false, 0},   {SCMP_SYS(write), false, 0},
	{SCMP_SYS(ioctl), false, 0},        {SCMP_SYS(prctl), false, 0},        {SCMP_SYS(getrandom), false, 0},
	{SCMP_SYS(exit_group), false, 0},
};
const size_t sandbox_sanitizer_ncalls = sizeof(sandbox_sanitizer_calls) / sizeof(sandbox_sanitizer_calls[0]);

/* The leak checker traces its own process from a child: neither dumpable 0 nor the filter let it. */
const char *__asan_default_options(void) __attribute__((visibility("default"), used));
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#else
const struct sandbox_call sandbox_sanitizer_calls[] = {{-1, false, 0}};
const size_t sandbox_sanitizer_ncalls = 0;
#endif

static int add_calls(scmp_filter_ctx filter, const struct sandbox_call *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* All 64 bits are compared: the kernel looks at 32 of some arguments, a later one may look at more. */
		struct scmp_arg_cmp arg1 = SCMP_A1_64(SCMP_CMP_EQ, calls[i].arg1, 0);
		int r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, calls[i].nr, calls[i].has_arg1, &arg1);

		if (r < 0)
			return r;
	}
	return 0;
}

static int filter_enter(const struct sandbox *s)
{
	/* Not released: giving memory back after the filter is loaded would be one more call to permit. */
	static scmp_filter_ctx filter;
	int r;

	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter)
		return -ENOMEM;
	r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r < 0)
		return r;
	/* A binary tree instead of a chain: speed only, so an older libseccomp may refuse. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = add_calls(filter, s->calls, s->ncalls);
	if (r == 0)
		r = add_calls(filter, sandbox_sanitizer_calls, sandbox_sanitizer_ncalls);
	return r < 0 ? r : seccomp_load(filter);
}

/* --- The order --------------------------------------------------------------------------------------------------- */

int sandbox_enter(const struct sandbox *s, const char *const *paths, size_t npaths, const char **ret_step)
{
	struct sandbox_facts facts;
	const char *wrong;
	int r;

	*ret_step = "parent-death signal";
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;

	/* Exec made the process dumpable again: until here whoever has this uid could trace it. */
	*ret_step = "dumpable";
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;

	/* Before the capabilities go: they may be needed to reach the paths. */
	if (s->landlock) {
		r = ll_enter(paths, npaths, ret_step);
		if (r < 0)
			return r;
	}

	*ret_step = "capabilities";
	r = caps_set_final(s->caps);
	if (r < 0)
		return r;

	*ret_step = "reading back";
	r = sandbox_read(&facts);
	if (r < 0)
		return r;
	wrong = sandbox_judge(s, &facts);
	if (wrong) {
		*ret_step = wrong;
		return -EPERM;
	}

	if (sandbox_sanitizer_ncalls > 0)
		log_warning("built with sanitizers: the filter admits %zu more calls; not for service",
			    sandbox_sanitizer_ncalls);

	/* Last, because everything above needs what it forbids. */
	*ret_step = "filter";
	return filter_enter(s);
}
