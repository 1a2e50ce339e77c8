// Bodies of JSON as they are pushed in, turned into the lines that sources read.
//
// The texts are cut apart and never written anew: a number keeps its digits and an id of twenty of
// them stays what it is.  What a line means, and whether it makes sense, is the reader's to say:
// what it cannot use is set aside there, and who sent it is not asked to send it for ever.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace segue {

// One call, or, where `type` is "batch", all that stand in `batch`.  Each line gets the type that
// the address says, when it came, and when the batch was sent, where it does not say so itself.
// Error: no JSON of that shape, or another type than the address says.
Result<std::vector<std::string>> LinesOfCalls(std::string_view type, std::string_view body,
                                              TimePoint received);

// One object, or a list of them.
Result<std::vector<std::string>> LinesOfRows(std::string_view body);

}  // namespace segue
