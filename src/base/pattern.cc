#include "base/pattern.h"

#include <re2/re2.h>

namespace {
/* A program of at most some 4,000 instructions. */
const int64_t memory_max = 256 << 10;

RE2::Options options(RE2::Options::Encoding encoding)
{
    RE2::Options o;

    o.set_encoding(encoding);
    o.set_case_sensitive(encoding == RE2::Options::EncodingLatin1);
    o.set_max_mem(memory_max);
    o.set_log_errors(false); /* it would write a client's text to stderr */
    return o;
}
} // namespace

enum pattern_result pattern_search(const char *pattern, size_t pattern_len, const char *text, size_t text_len)
{
    if (pattern_len > PATTERN_MAX)
        return PATTERN_REFUSED;
    RE2 re(re2::StringPiece(pattern, pattern_len), options(RE2::Options::EncodingLatin1));
    if (!re.ok())
        return PATTERN_REFUSED;
    if (!text)
        return PATTERN_MATCHES;
    if (text_len > PATTERN_TEXT_MAX || (uint64_t)re.ProgramSize() * text_len > PATTERN_WORK_MAX)
        return PATTERN_DIFFERS;
    return RE2::PartialMatch(re2::StringPiece(text, text_len), re) ? PATTERN_MATCHES : PATTERN_DIFFERS;
}

enum pattern_result pattern_find(const char *pattern, size_t pattern_len, const char *text, size_t text_len)
{
    if (pattern_len > PATTERN_MAX)
        return PATTERN_REFUSED;
    RE2 re(re2::StringPiece(pattern, pattern_len), options(RE2::Options::EncodingUTF8));
    if (!re.ok())
        return PATTERN_REFUSED;
    if (!text)
        return PATTERN_MATCHES;
    if (text_len > PATTERN_LONG_MAX || (double)re.ProgramSize() * (double)text_len > PATTERN_LONG_WORK_MAX)
        return PATTERN_REFUSED;
    return RE2::PartialMatch(re2::StringPiece(text, text_len), re) ? PATTERN_MATCHES : PATTERN_DIFFERS;
}
