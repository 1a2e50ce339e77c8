// The simulator: lives through seeds, and makes a failing one small.
//
//   sim --seeds 1..300               A stretch of seeds; stops at the first that fails.
//   sim --seed 42                    One seed, told in full.
//   sim --seed 42 --customers 3 --days 4 --without merges,late
//   sim --seed 42 --keep /tmp/failed.db   Leaves the state of a failure there.
//   sim --seeds 1..60 --shrink no         Says only whether they pass.
//
// Each stretch runs in a process of its own, so that a failed SEGUE_CHECK ends a seed and not the
// simulator.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "sim/simulation.h"

namespace {

using namespace segue;       // NOLINT(google-build-using-namespace): a program of one file.
using namespace segue::sim;  // NOLINT(google-build-using-namespace)

struct Options {
  std::uint64_t first = 1, last = 300;
  bool one = false;
  std::optional<int> customers, days;
  std::vector<std::string> without;
  std::string keep;
  bool shrink = true;
};

// What the parent sees of its child, whatever end that takes.
struct Shared {
  std::uint64_t seed;
  std::uint64_t done;
  std::uint64_t crashes, calls, moves, promised, ticks, refused_people;
  char why[2000];
};

Choices ChoicesFor(std::uint64_t seed, const Options& options) {
  Choices choices = Choose(seed);
  choices.customers = options.customers.value_or(choices.customers);
  choices.days = options.days.value_or(choices.days);
  for (const Switch& one : Switches()) {
    if (std::find(options.without.begin(), options.without.end(), one.name) !=
        options.without.end()) {
      choices.*one.on = false;
    }
  }
  return choices;
}

void Live(const Choices& choices, bool tell, const std::string& keep, Shared& shared) {
  if (tell) {
    fmt::print("{}\n", choices.Text());
    std::fflush(stdout);
  }
  Simulation simulation(choices);
  try {
    simulation.Run();
  } catch (const Violation&) {
    if (!keep.empty()) {
      simulation.Keep(keep);
    }
    throw;
  }
  const Tally& tally = simulation.tally();
  shared.crashes += static_cast<std::uint64_t>(tally.crashes);
  shared.calls += static_cast<std::uint64_t>(tally.calls);
  shared.moves += static_cast<std::uint64_t>(tally.moves);
  shared.promised += static_cast<std::uint64_t>(tally.promised);
  shared.ticks += static_cast<std::uint64_t>(tally.ticks);
  shared.refused_people += static_cast<std::uint64_t>(tally.refused_people);
}

// Runs in a child; true when all went well.  After a failure shared.seed and shared.why tell.
bool InChild(Shared& shared, const std::function<void()>& work) {
  std::fflush(stdout);
  shared.why[0] = '\0';
  const pid_t child = fork();
  if (child == 0) {
    int status = 0;
    try {
      work();
    } catch (const std::exception& error) {
      std::snprintf(shared.why, sizeof shared.why, "%s", error.what());
      status = 1;
    }
    std::fflush(stdout);
    _exit(status);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    std::snprintf(shared.why, sizeof shared.why, "the process was ended by signal %d",
                  WTERMSIG(status));
  }
  return status == 0;
}

bool Fails(const Choices& choices, Shared& shared) {
  const int quiet = dup(2);
  std::freopen("/dev/null", "w", stderr);
  const bool fails = !InChild(shared, [&] { Live(choices, false, "", shared); });
  std::fflush(stderr);
  dup2(quiet, 2);
  close(quiet);
  return fails;
}

// What went wrong, without who and when.
std::string KindOf(std::string_view why) {
  return std::string(why.substr(0, why.find_first_of("0123456789:`")));
}

// Tries smaller worlds as long as they fail in the same way.
Choices Shrink(Choices choices, Shared& shared) {
  const std::string kind = KindOf(shared.why);
  bool smaller = true;
  while (smaller) {
    smaller = false;
    const auto attempt = [&](const Choices& less) {
      if (Fails(less, shared) && KindOf(shared.why) == kind) {
        choices = less;
        smaller = true;
        return true;
      }
      return false;
    };
    for (int Choices::*const count : {&Choices::customers, &Choices::days}) {
      while (choices.*count > 1) {
        Choices less = choices;
        less.*count /= 2;
        if (!attempt(less)) {
          less.*count = choices.*count - 1;
          if (!attempt(less)) {
            break;
          }
        }
      }
    }
    for (const Switch& one : Switches()) {
      if (choices.*one.on) {
        Choices less = choices;
        less.*one.on = false;
        attempt(less);
      }
    }
  }
  return choices;
}

std::string Command(const Choices& choices) {
  const Choices whole = Choose(choices.seed);
  std::string without;
  for (const Switch& one : Switches()) {
    if (whole.*one.on && !(choices.*one.on)) {
      without += (without.empty() ? " --without " : ",") + std::string(one.name);
    }
  }
  return fmt::format("sim --seed {} --customers {} --days {}{}", choices.seed, choices.customers,
                     choices.days, without);
}

int Usage() {
  fmt::print(
      stderr,
      "sim [--seeds A..B | --seed N [--customers K] [--days D] [--without a,b] [--keep FILE]] "
      "[--shrink no]\n");
  return 2;
}

std::optional<Options> Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--seeds") {
      const std::size_t dots = value.find("..");
      options.first = std::stoull(value.substr(0, dots));
      options.last =
          dots == std::string::npos ? options.first : std::stoull(value.substr(dots + 2));
    } else if (name == "--seed") {
      options.first = options.last = std::stoull(value);
      options.one = true;
    } else if (name == "--customers") {
      options.customers = std::stoi(value);
    } else if (name == "--days") {
      options.days = std::stoi(value);
    } else if (name == "--keep") {
      options.keep = value;
    } else if (name == "--shrink") {
      options.shrink = value != "no";
    } else if (name == "--without") {
      for (const std::string_view word : Split(value, ',')) {
        options.without.emplace_back(word);
      }
    } else {
      return std::nullopt;
    }
  }
  return argc % 2 == 1 ? std::optional(options) : std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Options> options = Parse(argc, argv);
  if (!options) {
    return Usage();
  }
  // States are made by the hundred; a disk of memory makes that quick and keeps SQLite's word.
  if (std::getenv("TMPDIR") == nullptr && access("/dev/shm", W_OK) == 0) {
    setenv("TMPDIR", "/dev/shm", 1);
  }
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  Shared& shared = *new (memory) Shared{};
  const auto began = std::chrono::steady_clock::now();
  const bool well = InChild(shared, [&] {
    for (shared.seed = options->first; shared.seed <= options->last; ++shared.seed) {
      Live(ChoicesFor(shared.seed, *options), options->one, options->keep, shared);
      ++shared.done;
    }
  });
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  fmt::print(
      "{} seeds in {:.1f} s: {} ticks, {} crashes, {} moves, {} promises, {} calls, {} noes with "
      "their reason\n",
      shared.done, seconds, shared.ticks, shared.crashes, shared.moves, shared.promised,
      shared.calls, shared.refused_people);
  if (well) {
    return 0;
  }
  const Choices choices = ChoicesFor(shared.seed, *options);
  fmt::print("{}\nFAILED: {}\n", choices.Text(), shared.why);
  std::fflush(stdout);
  if (options->shrink && !options->customers && !options->days) {
    const Choices small = Shrink(choices, shared);
    Fails(small, shared);
    fmt::print("the smallest that fails: {}\n  {}\nrun again: {}\n", small.Text(), shared.why,
               Command(small));
  }
  return 1;
}
