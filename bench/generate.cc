// Makes the orders of an invented shop, the same bytes for the same seed:
//
//   generate CUSTOMERS FOLDER [--ids text|numbers] [--seed N]
//
//   FOLDER/orders.csv   two years up to 2025-01-01, in the order of time
//   FOLDER/day.csv      the orders of 2025-01-01
//
// A customer arrives at some day (more of them early), orders at a rate of their own (few often, most
// rarely) and leaves after a life of their own; what they spend spreads around a level of their own.
// Ids are texts of usual shapes (a UUID per order, cus_ and 14 letters and digits per customer) or
// whole numbers (orders counted up, customers of ten digits).
//
// Segue's fifths cut at quantiles of the ranks and SQL's ntile gives the larger tiles first; both
// are the same where the number of people is a multiple of five, so the last few customers are left out
// until it is.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::uint32_t kDaySeconds = 86'400;
constexpr std::uint32_t kDays = 731;
constexpr std::uint32_t kBoundary = kDays * kDaySeconds;  // 2025-01-01T00:00:00Z
constexpr std::uint32_t kEnd = kBoundary + kDaySeconds;

// SplitMix64 (Steele, Lea and Flood 2014).
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }

  double Unit() { return (static_cast<double>(Next() >> 11U) + 0.5) / 9007199254740992.0; }

  double Exponential(double mean) { return -mean * std::log(Unit()); }

  double Normal() {
    return std::sqrt(-2 * std::log(Unit())) * std::cos(6.283185307179586 * Unit());
  }

 private:
  std::uint64_t state_;
};

struct Order {
  std::uint32_t second = 0;  // Since 2023-01-01.
  std::uint32_t customer = 0;
  std::uint32_t cents = 0;
};

std::vector<Order> Life(std::uint64_t seed, std::uint32_t customer) {
  Chance chance(seed * 0xd1342543de82ef95U + customer * 0xa24baed4963ee407U);
  chance.Next();
  std::vector<Order> orders;
  const double per_day = 0.0133 * std::exp(1.25 * chance.Normal());
  const double level = 3.6 + 0.6 * chance.Normal();
  double day = (kDays + 1) * std::pow(chance.Unit(), 1.8);
  const double last = day + chance.Exponential(600);
  while (day < kDays + 1 && orders.size() < 2000) {
    const double cents = 100 * std::exp(level + 0.5 * chance.Normal());
    orders.push_back({static_cast<std::uint32_t>(day * kDaySeconds), customer,
                      static_cast<std::uint32_t>(std::clamp(cents, 50.0, 9'999'999.0))});
    day += chance.Exponential(1 / per_day);
    if (day > last) {
      break;
    }
  }
  std::erase_if(orders, [](const Order& order) { return order.second >= kEnd; });
  return orders;
}

std::string CustomerId(std::uint64_t seed, std::uint32_t customer, bool text) {
  if (!text) {
    // An odd factor gives each customer a number of its own.
    return std::to_string(1'000'000'000U + std::uint64_t{customer * 2'654'435'761U});
  }
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  Chance chance(seed ^ (std::uint64_t{customer} << 20U) ^ 0x637573U);
  chance.Next();
  std::string id = "cus_";
  for (int i = 0; i < 14; ++i) {
    id += kLetters[chance.Next() % kLetters.size()];
  }
  return id;
}

std::string OrderId(std::uint64_t seed, std::uint64_t number, bool text) {
  if (!text) {
    return std::to_string(number);
  }
  Chance chance(seed ^ (number * 0x2545f4914f6cdd1dU));
  const std::uint64_t high = (chance.Next() & ~std::uint64_t{0xf000}) | 0x4000U;
  const std::uint64_t low = (chance.Next() & ~(std::uint64_t{3} << 62U)) | (std::uint64_t{2} << 62U);
  std::array<char, 40> id{};
  std::snprintf(id.data(), id.size(), "%08x-%04x-%04x-%04x-%012llx",
                static_cast<unsigned>(high >> 32U), static_cast<unsigned>(high >> 16U & 0xffffU),
                static_cast<unsigned>(high & 0xffffU), static_cast<unsigned>(low >> 48U),
                static_cast<unsigned long long>(low & 0xffffffffffffU));
  return id.data();
}

// "2023-01-01T" for each day.
std::vector<std::string> DayTexts() {
  constexpr std::array<int, 12> kLengths = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  std::vector<std::string> texts;
  int year = 2023, month = 1, day = 1;
  for (std::uint32_t i = 0; i <= kDays; ++i) {
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT", year, month, day);
    texts.emplace_back(text.data());
    const int length = kLengths[static_cast<std::size_t>(month - 1)] + (month == 2 && year == 2024);
    if (++day > length) {
      day = 1;
      month = month == 12 ? 1 : month + 1;
      year += month == 1 ? 1 : 0;
    }
  }
  return texts;
}

// Leaves out customers, the last first, until those before the boundary and those of all days are
// multiples of five.
void Trim(std::vector<std::vector<Order>>& lives) {
  const auto count = [&](bool new_ones) {
    return std::count_if(lives.begin(), lives.end(), [&](const std::vector<Order>& life) {
      return !life.empty() && (life.front().second >= kBoundary) == new_ones;
    });
  };
  for (const bool new_ones : {false, true}) {
    auto extra = count(new_ones) % 5;
    for (std::size_t i = lives.size(); i-- > 0 && extra > 0;) {
      if (!lives[i].empty() && (lives[i].front().second >= kBoundary) == new_ones) {
        lives[i].clear();
        --extra;
      }
    }
  }
}

int Usage() {
  std::fprintf(stderr, "generate CUSTOMERS FOLDER [--ids text|numbers] [--seed N]\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (args.size() < 2) {
    return Usage();
  }
  bool text = true;
  std::uint64_t seed = 1;
  for (std::size_t i = 2; i + 1 < args.size(); i += 2) {
    if (args[i] == "--ids") {
      text = args[i + 1] == "text";
    } else if (args[i] == "--seed") {
      seed = std::strtoull(args[i + 1].c_str(), nullptr, 10);
    } else {
      return Usage();
    }
  }
  const auto customers = static_cast<std::uint32_t>(std::strtoul(args[0].c_str(), nullptr, 10));
  std::vector<Order> orders;
  {
    std::vector<std::vector<Order>> lives(customers);
    for (std::uint32_t customer = 0; customer < customers; ++customer) {
      lives[customer] = Life(seed, customer);
    }
    Trim(lives);
    for (const std::vector<Order>& life : lives) {
      orders.insert(orders.end(), life.begin(), life.end());
    }
  }
  std::stable_sort(orders.begin(), orders.end(),
                   [](const Order& a, const Order& b) { return a.second < b.second; });
  const std::vector<std::string> days = DayTexts();
  std::array<std::FILE*, 2> files = {std::fopen((args[1] + "/orders.csv").c_str(), "wb"),
                                     std::fopen((args[1] + "/day.csv").c_str(), "wb")};
  std::array<std::size_t, 2> counts = {0, 0};
  for (std::FILE* file : files) {
    if (file == nullptr) {
      std::perror(args[1].c_str());
      return 1;
    }
    std::fputs("order_id,customer_id,time,amount\n", file);
  }
  for (std::size_t i = 0; i < orders.size(); ++i) {
    const Order& order = orders[i];
    const std::size_t which = order.second < kBoundary ? 0 : 1;
    const std::uint32_t second = order.second % kDaySeconds;
    std::fprintf(files[which], "%s,%s,%s%02u:%02u:%02uZ,%u.%02u\n",
                 OrderId(seed, i + 1, text).c_str(), CustomerId(seed, order.customer, text).c_str(),
                 days[order.second / kDaySeconds].c_str(), second / 3600, second / 60 % 60,
                 second % 60, order.cents / 100, order.cents % 100);
    ++counts[which];
  }
  for (std::FILE* file : files) {
    if (std::fclose(file) != 0) {
      std::perror(args[1].c_str());
      return 1;
    }
  }
  std::printf("%zu orders, then %zu in one day\n", counts[0], counts[1]);
  return 0;
}
