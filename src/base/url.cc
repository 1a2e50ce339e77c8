#include "base/url.h"

#include <algorithm>

namespace segue {
namespace {

bool IsLoopback(std::string_view rest) {
  for (const std::string_view host : {"127.0.0.1", "localhost", "[::1]"}) {
    if (rest.starts_with(host)) {
      const std::string_view after = rest.substr(host.size());
      return after.empty() || after.front() == ':' || after.front() == '/';
    }
  }
  return false;
}

}  // namespace

bool IsSafeUrl(std::string_view url) {
  constexpr std::string_view kPlain = "http://";
  constexpr std::string_view kTls = "https://";
  if (!std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 0x7f; })) {
    return false;
  }
  if (url.starts_with(kPlain)) {
    // "http://127.0.0.1:1@elsewhere" is elsewhere.
    return url.find('@') == std::string_view::npos && IsLoopback(url.substr(kPlain.size()));
  }
  return url.starts_with(kTls) && url.size() > kTls.size();
}

}  // namespace segue
