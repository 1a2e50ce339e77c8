// Reads the archive in which Mailchimp hands over the answers to a batch.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace segue {

// The contents of the files of a gzipped tar, in its order.  Nothing when it is cut off, no such
// archive, or holds more than 32 MB.
std::optional<std::vector<std::string>> ReadTarGz(std::string_view bytes);

}  // namespace segue
