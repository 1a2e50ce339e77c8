#include "config/forms.h"

#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace segue {
namespace {

struct Row {
  Form form;
  std::vector<std::string_view> fits;  // Written as they are normalised.
  std::vector<std::string_view> fails;
};

TEST_CASE("each small form takes what it should and refuses its neighbours") {
  const std::vector<Row> rows = {
      {Form::kDuration,
       {"90m", "6h", "3d", "2w"},
       {"", "90", "3 d", "1.5h", "30s", "2 weeks", "-3d", "d"}},
      {Form::kShortDuration, {"30s", "5m", "1h"}, {"30", "30ms", "s"}},
      {Form::kLongDuration, {"2w", "1 month", "2 months"}, {"month", "0 months", "1 year"}},
      {Form::kPercent,
       {"15%", "2.5%", "0%", "100%"},
       {"15", "101%", "-1%", "0.125%", "%", "15 %x"}},
      {Form::kPercentRange, {"10%..20%"}, {"10..20%", "20%..10%", "10%"}},
      {Form::kRange, {"1..6", "0..100", "-5..5"}, {"6..1", "1..", "..6", "1-6", "1...6"}},
      {Form::kMoney,
       {"9.90 EUR", "15000.00 EUR", "40 JPY"},
       {"9.90", "EUR", "9.905 EUR", "1 000 EUR", "5 XXZ"}},
      {Form::kClock, {"09:00", "23:59", "00:00"}, {"9:00", "24:00", "12:60", "0900", "09:00:00"}},
      {Form::kSchedule,
       {"15m", "1h", "day at 04:00", "week on mon at 05:30", "month on 1 at 06:00"},
       {"30s", "2d", "day 04:00", "day at 4:00", "week at 05:30", "week on monday at 05:30",
        "month on 29 at 06:00", "day on 1 at 06:00", "0m"}},
      {Form::kLimit, {"1 per 180d"}, {"1 per", "0 per 1d", "one per 1d", "1 in 180d", "1 per 180"}},
      {Form::kRate, {"5 per 1s"}, {"5 per 1", "0 per 1s", "5/s"}},
      {Form::kBudget,
       {"15000.00 EUR per month"},
       {"15000 EUR", "15000 per month", "15000 EUR per week"}},
      {Form::kValid, {"2w", "1 month", "end of month"}, {"end of year", "14"}},
      {Form::kReenter,
       {"never", "always", "after 120d"},
       {"after", "120d", "after 120", "sometimes"}},
      {Form::kOnCap, {"drop", "wait 4d"}, {"wait", "4d", "dro", "wait 4", ""}},
      {Form::kHold, {"1 run", "2 runs", "2d"}, {"2", "0 runs", "runs", "0d", "two runs"}},
      {Form::kRefit, {"every run", "monthly", "quarterly", "never"}, {"weekly", "every", "run"}},
      {Form::kMoment,
       {"60d ago", "60d ahead", "2026-03-02T00:00 Europe/Lisbon"},
       {"60d", "ago", "2026-03-02T00:00", "2026-02-30T00:00 Europe/Lisbon",
        "2026-03-02T00:00 Europe/Atlantis"}},
      {Form::kSecret,
       {"env:AC_URL", "cred:ac_token"},
       {"AC_URL", "env:", "file:x", "cred:../x", "cred:a/b"}},
      {Form::kVendorThing,
       {"segment 123", "journey 12/3"},
       {"segment", "journey 12", "page 3", "segment a b"}},
      {Form::kCodePattern, {"REF-{{8}}"}, {"REF-8", "REF-{{2}}", "REF-{{8", "REF-{{x}}"}},
      {Form::kFile, {"inbox/a-*.csv"}, {"/etc/passwd", "../x", "a/../b", ""}},
      {Form::kUrl, {"https://a.example"}, {"a.example", "ftp://a.example", "https://a b"}},
      {Form::kServer,
       {"mail.example:587"},
       {"mail.example", ":587", "mail.example:0", "mail.example:99999"}},
      {Form::kWeekdays, {"mon", "mon..fri", "sat..mon"}, {"monday", "mon-fri", "mon..fry"}},
      {Form::kZone, {"Europe/Lisbon", "UTC"}, {"Lisbon", "Europe/Lisboa", ""}},
      {Form::kYesNo, {"yes", "no"}, {"true", "on", "Yes"}},
      {Form::kId, {"at_risk", "r2"}, {"at-risk", "2r", "at risk", ""}},
  };
  for (const Row& row : rows) {
    for (std::string_view text : row.fits) {
      CAPTURE(text);
      CHECK(CanonicalForm(row.form, text) == std::string(text));
    }
    for (std::string_view text : row.fails) {
      CAPTURE(text);
      CHECK(CanonicalForm(row.form, text) == std::nullopt);
    }
    CHECK(FormExpected(row.form) != "a value");
  }
}

TEST_CASE("different writings of one value have one canonical text") {
  CHECK(CanonicalForm(Form::kDuration, "14d") == "2w");
  CHECK(CanonicalForm(Form::kDuration, "120m") == "2h");
  CHECK(CanonicalForm(Form::kMoney, "40 EUR") == "40.00 EUR");
  CHECK(CanonicalForm(Form::kPercent, "2.50%") == "2.5%");
  CHECK(CanonicalForm(Form::kLimit, "1 per 14d") == "1 per 2w");
}

TEST_CASE("a range of weekdays may go over the weekend") {
  CHECK(ParseWeekdays("mon..fri") == std::uint8_t{0x1f});
  CHECK(ParseWeekdays("sat..mon") == std::uint8_t{0x61});
  CHECK(ParseWeekdays("sun") == std::uint8_t{0x40});
}

}  // namespace
}  // namespace segue
