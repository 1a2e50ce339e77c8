// SEGUE_WIDE before a function compiles it for any processor and again for those with wider
// vectors; which one runs is decided when the program starts.  For loops over many numbers.  All
// give the same bits, since nothing is contracted (-ffp-contract=off in CMakeLists.txt). Sanitizers
// cannot follow that choice, and clang has no such thing.

#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SEGUE_WIDE [[gnu::target_clones("arch=x86-64-v4", "avx2", "default")]]
#else
#define SEGUE_WIDE
#endif
