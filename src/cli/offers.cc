// offers: the stock of codes, the money that is left, and taking in codes.

#include <fstream>
#include <iterator>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/money.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

namespace segue {
namespace {

boost::json::object AsJson(const Offer& offer, const OfferStock& stock) {
  boost::json::object one{{"offer", offer.id},
                          {"reserved", stock.reserved},
                          {"committed", stock.committed},
                          {"redeemed", stock.redeemed},
                          {"expired", stock.expired},
                          {"returned", stock.returned},
                          {"spent_this_month", stock.taken}};
  if (!offer.pool_file.empty()) {
    one["free"] = stock.free;
  }
  if (offer.budget) {
    one["budget"] = *offer.budget;
  }
  return one;
}

int List(Offers& offers, const Workspace& workspace, TimePoint now, bool json) {
  const std::vector<OfferStock> all = offers.Stock(now);
  const std::string& currency = workspace.schema.currency;
  boost::json::array list;
  Table table({"offer", ">free", ">reserved", ">with people", ">redeemed", ">expired",
               ">this month", ">budget", ""});
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Offer& offer = workspace.offers[i];
    const OfferStock& stock = all[i];
    list.push_back(AsJson(offer, stock));
    const bool counted = !offer.pool_file.empty();
    table.Row({offer.id,
               counted            ? Grouped(stock.free)
               : offer.has_pool() ? "made when needed"
                                  : "no codes",
               Grouped(stock.reserved), Grouped(stock.committed), Grouped(stock.redeemed),
               Grouped(stock.expired), offer.budget ? FormatMoney(stock.taken, currency) : "",
               offer.budget ? FormatMoney(*offer.budget, currency) : "",
               counted && offer.low_stock && stock.free < *offer.low_stock ? "low" : ""});
  }
  if (json) {
    fmt::print("{}\n", boost::json::serialize(list));
  } else {
    fmt::print("{}", all.empty() ? "there are no offers\n" : table.Text());
  }
  return kFine;
}

int Load(const Common& common, const Workspace& workspace, const OffersOptions& options) {
  const Offer* offer = workspace.FindOffer(options.offer);
  if (offer == nullptr || options.file.empty()) {
    std::vector<std::string> ids;
    for (const Offer& one : workspace.offers) {
      ids.push_back(one.id);
    }
    const std::optional<std::string> near = Nearest(options.offer, ids);
    throw Failure{kUsage, offer != nullptr || options.offer.empty()
                              ? "name the offer and the file: segue offers load OFFER FILE\n"
                              : fmt::format("there is no offer {}{}\n", options.offer,
                                            near ? "; did you mean " + *near + "?" : "")};
  }
  if (offer->pool_file.empty()) {
    throw Failure{kUsage,
                  fmt::format("offer {} has no pool.file: its codes are not loaded\n", offer->id)};
  }
  std::ifstream in(options.file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in) {
    throw Failure{kCannotReach, fmt::format("cannot read {}\n", options.file)};
  }
  // Codes may be loaded before the first run.
  MakeFolder(common.state);
  Database db = Database::Open(StateFile(common));
  Offers offers(db, workspace);
  Transaction work(db);
  const CodesTaken taken = offers.AddCodes(offer->id, text);
  work.Commit();
  fmt::print("{}: {}\n", offer->id, CodesInWords(taken));
  return taken.bad + taken.elsewhere > 0 ? kFindings : kFine;
}

}  // namespace

int RunOffers(const Common& common, const OffersOptions& options) {
  RequireNotLost(common);
  const Checked checked = OpenWorkspace(common);
  const Workspace& workspace = *checked.workspace;
  if (options.action == "load") {
    return Load(common, workspace, options);
  }
  RequireState(common);
  Database db = Database::Open(StateFile(common));
  Offers offers(db, workspace);
  return List(offers, workspace, MomentOf(common, workspace), common.json);
}

}  // namespace segue
