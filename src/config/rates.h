// Rates: what one unit of another currency was worth in the workspace's, day by day.
//
//   date,currency,rate
//   2026-03-02,USD,0.7421        1 USD was 0.7421 GBP on that day, where the workspace keeps GBP
//
// A day without a rate of its own takes the last one before it.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace segue {

// The oldest rate that is used.  Accounting and customs offices publish one a month, banks one for
// each working day; past a month nobody keeps the file any more.
constexpr std::int64_t kRateDaysMax = 31;

// digits / 10^decimals, above 0.
struct ExchangeRate {
  std::int64_t digits = 1;
  int decimals = 0;
};

// "0.7421": at most 18 digits, 12 of them behind the point.
std::optional<ExchangeRate> ParseExchangeRate(std::string_view text);
std::string FormatExchangeRate(const ExchangeRate& rate);

// A currency and a day, counted from 1970 on the workspace's calendar.
using RateDay = std::pair<std::string, std::int64_t>;

class Rates {
 public:
  explicit Rates(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }  // As it is named to people.

  // False: that day has one already.
  bool Add(const RateDay& when, const ExchangeRate& rate) {
    return by_currency_[when.first].emplace(when.second, rate).second;
  }

  // Rows of that day were converted with this rate: all others are too, whatever the file says by
  // now, so that a row which is read again says what it said.
  void Settle(const RateDay& when, const ExchangeRate& rate) { settled_[when] = rate; }

  // The rate of that day, or the last one at most kRateDaysMax days before it.
  std::optional<ExchangeRate> Find(const RateDay& when) const;

 private:
  std::string path_;
  std::map<std::string, std::map<std::int64_t, ExchangeRate>> by_currency_;
  std::map<RateDay, ExchangeRate> settled_;
};

}  // namespace segue
