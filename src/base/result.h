// Result<T>: a value, or an Error that says what went wrong in words that a person can act on.
//
// It is a thin cover of boost::system::result, because the C++20 library of Debian 12 has no
// std::expected.
//
//   Result<TimePoint> time = ParseTime("2026-03-26T04:00:00Z", zone);
//   if (!time) return time.error();

#pragma once

#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/system/result.hpp>

namespace segue {

// What went wrong.  Not an aggregate: boost::system::result needs a type that does not
// convert from T.
class Error {
 public:
  Error() = default;

  explicit Error(std::string message) : message_(std::move(message)) {}

  const std::string& message() const { return message_; }

 private:
  std::string message_;
};

// Boost's leaves it open whether a std::string given to a Result<std::string> is the value or the
// error.  Here it is the value; an error is always an Error.
template <typename T>
class Result : public boost::system::result<T, Error> {
  using Base = boost::system::result<T, Error>;

 public:
  Result() = default;  // The default T; of Result<void>: it went well.

  // NOLINTNEXTLINE(google-explicit-constructor): `return Error(…)` is how a failure is said.
  Result(Error error) : Base(boost::system::in_place_error, std::move(error)) {}

  template <typename From,
            typename = std::enable_if_t<std::is_convertible_v<From, T> &&
                                        !std::is_same_v<std::remove_cvref_t<From>, Error> &&
                                        !std::is_same_v<std::remove_cvref_t<From>, Result>>>
  // NOLINTNEXTLINE(google-explicit-constructor): and `return value` how a success is.
  Result(From&& value) : Base(boost::system::in_place_value, std::forward<From>(value)) {}
};

// Called by Result::value() when there is none: a bug in the caller, who had to ask first.
[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location& /*where*/) {
  throw std::logic_error(error.message());
}

}  // namespace segue
