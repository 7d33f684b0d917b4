/* SPDX-License-Identifier: MIT */
#include "rootctl.h"

int main(int argc, char **argv)
{
	return rootctl(argc, argv);
}
