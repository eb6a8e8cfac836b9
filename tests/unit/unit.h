/* unit.h - cmocka and what it needs. A test's name is the sentence it proves. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
