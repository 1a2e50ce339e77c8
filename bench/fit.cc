// The part of bench/fit.sh that is ours: makes a base, and fits and scores it with BG/NBD.
//
//   fit make PEOPLE FILE    writes "x t_x T" per customer, in whole days, from a base that is the
//   same each time fit run FILE            reads FILE, fits, scores, and prints name=value lines;
//   times in seconds of the processor
//
// The base is like a shop's: two years, customers arrive all the time, and BG/NBD is true of it but
// for whole days.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "insights/bg_nbd.h"
#include "support/dice.h"

namespace segue {
namespace {

constexpr double kHorizon = 90;

void Make(int people, const char* path) {
  std::FILE* out = std::fopen(path, "w");
  Dice dice(1);
  for (int i = 0; i < people; ++i) {
    const double rate = dice.Gamma(0.6) / 40, leave = dice.Beta(0.8, 3);
    const int observed = 1 + dice.Below(730);
    int repeats = 0, last = 0;
    double time = 0;
    while ((time += dice.Exponential(1 / rate)) < observed + 1) {
      const int day = static_cast<int>(time);
      if (day > last) {
        last = day;
        ++repeats;
      }
      if (dice.Chance(leave)) {
        break;
      }
    }
    std::fprintf(out, "%d %d %d\n", repeats, last, observed);
  }
  std::fclose(out);
}

double Seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

int Run(const char* path) {
  std::vector<History> all;
  std::FILE* in = std::fopen(path, "r");
  if (in == nullptr) {
    std::fprintf(stderr, "fit: cannot read %s\n", path);
    return 2;
  }
  int repeats = 0;
  double last = 0, observed = 0;
  while (std::fscanf(in, "%d %lf %lf", &repeats, &last, &observed) == 3) {
    all.push_back({.repeats = repeats, .last = last, .observed = observed});
  }
  std::fclose(in);
  const double start = Seconds();
  const Result<Histories> grouped = Histories::Group(all);
  if (!grouped) {
    std::fprintf(stderr, "fit: %s\n", grouped.error().message().c_str());
    return 2;
  }
  const BgNbdFit fit = FitBgNbd(*grouped);
  const double fitted = Seconds();
  double alive = 0, expected = 0;
  for (const History& history : all) {
    alive += fit.model.Alive(history);
    expected += fit.model.Expected(history, kHorizon);
  }
  const double scored = Seconds();
  std::printf("rows=%zu\nfit_s=%.3f\nscore_s=%.3f\n", grouped->rows().size(), fitted - start,
              scored - fitted);
  std::printf("evaluations=%d\nlog_likelihood=%.6f\n", fit.estimate.evaluations,
              fit.estimate.log_likelihood);
  std::printf("alive=%.4f\nexpected=%.4f\n", alive, expected);
  std::printf("parameters=%.6f %.6f %.6f %.6f\n", fit.model.r, fit.model.alpha, fit.model.a,
              fit.model.b);
  return 0;
}

}  // namespace
}  // namespace segue

int main(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "make" && argc == 4) {
    segue::Make(std::stoi(argv[2]), argv[3]);
    return 0;
  }
  if (verb == "run" && argc == 3) {
    return segue::Run(argv[2]);
  }
  std::fprintf(stderr, "fit make PEOPLE FILE | fit run FILE\n");
  return 2;
}
