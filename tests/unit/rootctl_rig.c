/* SPDX-License-Identifier: MIT */
#include "rootctl_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../client/rootctl.h"

struct ran ran;
const char *fake_path;
static struct fake fake;

void slurp(int fd, char *buf, size_t size)
{
	size_t n = 0;
	ssize_t r;

	while (n < size - 1 && (r = read(fd, buf + n, size - 1 - n)) > 0)
		n += (size_t)r;
	buf[n] = '\0';
	(void)close(fd);
}

pid_t spawn(const char *const *argv, int *ret_in, int *ret_out, int *ret_err)
{
	int in[2], out[2], err[2], argc = 0;
	pid_t pid;

	assert_return_code(pipe2(in, O_CLOEXEC), errno);
	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	assert_return_code(pipe2(err, O_CLOEXEC), errno);
	while (argv[argc])
		argc++;
	(void)fflush(NULL);
	pid = fork();
	assert_return_code(pid, errno);
	if (!pid) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)dup2(err[1], 2);
		(void)close(in[1]);
		(void)close(out[0]);
		(void)close(err[0]);
		(void)close(in[0]);
		(void)close(out[1]);
		(void)close(err[1]);
		(void)signal(SIGPIPE, SIG_DFL);
		if (fake_path)
			(void)setenv("ROOTBROKER_SOCKET", fake_path, 1);
		exit(rootctl(argc, (char **)(uintptr_t)argv));
	}
	(void)close(in[0]);
	(void)close(out[1]);
	(void)close(err[1]);
	*ret_in = in[1];
	*ret_out = out[0];
	*ret_err = err[0];
	return pid;
}

int finish(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

int run_argv(const char *const *argv)
{
	int in, out, err;
	pid_t pid = spawn(argv, &in, &out, &err);

	(void)close(in);
	slurp(out, ran.out, sizeof(ran.out));
	slurp(err, ran.err, sizeof(ran.err));
	ran.status = finish(pid);
	return ran.status;
}

void with_server(void (*script)(int fd))
{
	fake_start(&fake, 1, script);
	fake_path = fake.path;
}

void without_server(void)
{
	fake_path = NULL;
	fake_stop(&fake);
}

void assert_says(const char *text, const char *what)
{
	if (!strstr(text, what))
		(void)fprintf(stderr, "# \"%s\" is not in: %s\n", what, text);
	assert_non_null(strstr(text, what));
}

void assert_json(const char *filter, const char *expected)
{
	char command[512], path[] = "/tmp/rootctl-json-XXXXXX", result[4096];
	int fd = mkstemp(path);
	FILE *p;
	size_t n;

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, ran.out, strlen(ran.out)), strlen(ran.out));
	(void)snprintf(
		command, sizeof(command),
		"iconv -f UTF-8 -t UTF-8 <%s >/dev/null && "
		"python3 -c 'import json,sys; d=json.load(open(\"%s\", encoding=\"utf-8\")); print(json.dumps(%s))'",
		path, path, filter);
	p = popen(command, "r");
	assert_non_null(p);
	n = fread(result, 1, sizeof(result) - 1, p);
	result[n] = '\0';
	assert_int_equal(pclose(p), 0);
	(void)close(fd);
	(void)unlink(path);
	assert_string_equal(result, expected);
}
