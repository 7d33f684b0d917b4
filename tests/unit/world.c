/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../server/common/caps.h"

static void dump_descriptors(void)
{
	int fd;

	printf("fds");
	for (fd = 0; fd < 4096; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			printf(" %d", fd);
	}
	printf("\n");
}

static void dump_signals(void)
{
	unsigned char action[128];
	uint64_t mask = 0, zero = 0;
	int i;

	(void)syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
	printf("blocked %llx\nnot default", (unsigned long long)mask);
	for (i = 1; i <= 64; i++) {
		if (syscall(SYS_rt_sigaction, i, NULL, action, 8) == 0 && memcmp(action, &zero, sizeof(void *)) != 0)
			printf(" %d", i);
	}
	printf("\n");
}

static void dump_ids(void)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid, groups[64];
	struct caps c;
	int n = getgroups(64, groups), i;

	(void)getresuid(&ruid, &euid, &suid);
	(void)getresgid(&rgid, &egid, &sgid);
	printf("uid %u %u %u gid %u %u %u groups", ruid, euid, suid, rgid, egid, sgid);
	for (i = 0; i < n; i++)
		printf(" %u", groups[i]);
	(void)caps_read(&c);
	printf("\ncaps %llx %llx %llx %llx %llx nnp %d\n", (unsigned long long)c.inheritable,
	       (unsigned long long)c.permitted, (unsigned long long)c.effective, (unsigned long long)c.bounding,
	       (unsigned long long)c.ambient, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static void dump_rest(char **argv)
{
	struct rlimit files, core;
	char cwd[256], oom[32] = "";
	mode_t mask = umask(0);
	FILE *f = fopen("/proc/self/oom_score_adj", "re");
	int i;

	if (f != NULL) {
		(void)!fgets(oom, sizeof(oom), f);
		(void)fclose(f);
	}
	(void)getrlimit(RLIMIT_NOFILE, &files);
	(void)getrlimit(RLIMIT_CORE, &core);
	printf("umask %03o cwd %s\n", (unsigned)mask, getcwd(cwd, sizeof(cwd)));
	printf("leader %d nice %d files %llu core %llu %llu oom %s", getsid(0) == getpid() && getpgrp() == getpid(),
	       getpriority(PRIO_PROCESS, 0), (unsigned long long)files.rlim_cur, (unsigned long long)core.rlim_cur,
	       (unsigned long long)core.rlim_max, oom);
	printf("argv");
	for (i = 0; argv[i] != NULL; i++)
		printf(" [%s]", argv[i]);
	printf("\nenv");
	for (i = 0; environ[i] != NULL; i++)
		printf(" [%s]", environ[i]);
	printf("\n");
}

int dump(char **argv)
{
	dump_descriptors();
	dump_signals();
	dump_ids();
	dump_rest(argv);
	return 0;
}

static void be_hostile_signals(void)
{
	sigset_t all;
	int i;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	for (i = 1; i <= 64; i++) {
		/* SIG_IGN is 1 in the first word on the machines that these tests run on. */
		uint64_t ignore[16] = {1};

		(void)syscall(SYS_rt_sigaction, i, ignore, NULL, 8);
	}
}

static void be_hostile_limits(void)
{
	struct rlimit files;
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	(void)setpriority(PRIO_PROCESS, 0, -5);
	(void)!write(fd, "100", 3);
	(void)close(fd);
}

void be_hostile(bool close_std)
{
	const gid_t theirs[] = {1, 2, 3};
	struct caps c = {0};
	int i;

	be_hostile_signals();
	be_hostile_limits();
	(void)umask(0);
	(void)!chdir("/tmp");
	(void)setgroups(3, theirs);
	(void)setenv("LD_PRELOAD", "/tmp/evil.so", 1);
	(void)caps_read(&c);
	(void)caps_set(c.permitted);
	(void)caps_raise_ambient(CAPS_BIT(CAP_NET_BIND_SERVICE));
	for (i = 0; i < 300; i++)
		(void)open("/dev/null", O_RDONLY);
	for (i = 0; close_std && i < 3; i++)
		(void)close(i);
}

void be_the_monitor(bool close_std)
{
	static const int needs[] = {CAP_DAC_READ_SEARCH, CAP_KILL,       CAP_SETGID,    CAP_SETUID,
				    CAP_SETPCAP,         CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_NET_RAW};
	uint64_t mask = 0;
	size_t i;

	(void)close_std;
	for (i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		mask |= CAPS_BIT(needs[i]);
	if (caps_limit_bounding(mask) < 0 || caps_set_final(mask) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		_exit(9);
}
