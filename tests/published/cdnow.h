// The published results about the CDNOW sample, each with what Segue computes for it.
//
// The rows are those of data/cdnow/published_results.csv: model, quantity, inputs, value, tolerance
// and source. One table is read by the `published` program, which prints it, and by a unit test,
// which has one case per row.

#pragma once

#include <string>
#include <vector>

namespace segue {

struct PublishedFigure {
  std::string model, quantity, inputs, published, source;
  double computed = 0;
  double tolerance = 0;  // Absolute.

  bool Agrees() const;
};

// `folder` holds the files of cdnow.  Throws std::runtime_error where a file or a row cannot be
// understood.
std::vector<PublishedFigure> CompareCdnow(const std::string& folder);

}  // namespace segue
