// Result<T>: a value, or an Error that says what went wrong in words that a person can act on.
//
// It is boost::system::result, because the C++20 library of Debian 12 has no std::expected.
//
//   Result<TimePoint> time = ParseTime("2026-03-26T04:00:00Z", zone);
//   if (!time) return time.error();

#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include <boost/system/result.hpp>

namespace segue {

// What went wrong.  Not an aggregate: boost::system::result needs a type that does not convert from T.
class Error {
 public:
  Error() = default;
  explicit Error(std::string message) : message_(std::move(message)) {}

  const std::string& message() const { return message_; }

 private:
  std::string message_;
};

template <typename T>
using Result = boost::system::result<T, Error>;

// Called by Result::value() when there is none: a bug in the caller, who had to ask first.
[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location& /*where*/) {
  throw std::logic_error(error.message());
}

}  // namespace segue
