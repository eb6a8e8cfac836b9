/* expression.h - where an expression ends: ${...} in a text, as JavaScript would read it. Pure. */
#pragma once

/* The brace that closes the expression that begins at s (just behind "${"); NULL: none does. Braces nest, and texts,
 * template literals (with expressions of their own), regular expressions and comments may hold any. */
const char *expression_end(const char *s);
