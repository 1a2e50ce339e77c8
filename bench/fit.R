# BG/NBD by R's optim, the way R users do it: the log-likelihood as one vector expression over all customers, maximised by
# L-BFGS-B over the logarithms of the parameters, then P(alive) and the conditional expectation for everybody.
#
#   Rscript fit.R FILE
#
# Nothing is made slow on purpose: no loop over customers; the sums over distinct histories where that is quicker (the
# second figure); 2F1 by its series for all customers at once.

file <- commandArgs(trailingOnly = TRUE)[1]
base <- matrix(scan(file, quiet = TRUE), ncol = 3, byrow = TRUE)
horizon <- 90

minus_log_likelihood <- function(logs, x, tx, t, n) {
  p <- exp(logs); r <- p[1]; alpha <- p[2]; a <- p[3]; b <- p[4]
  common <- lgamma(r + x) - lgamma(r) + r * log(alpha) + lgamma(a + b) + lgamma(b + x) - lgamma(b) - lgamma(a + b + x)
  stay <- -(r + x) * log(alpha + t)
  gone <- ifelse(x > 0, log(a) - log(b + pmax(x, 1) - 1) - (r + x) * log(alpha + tx), -Inf)
  top <- pmax(stay, gone)
  -sum(n * (common + top + log(exp(stay - top) + exp(gone - top))))
}

fit <- function(x, tx, t, n)
  optim(c(0, log(mean(t)), 0, 0), minus_log_likelihood, x = x, tx = tx, t = t, n = n, method = "L-BFGS-B",
        lower = -12, upper = 12, control = list(maxit = 1000, factr = 1e3))

hyp2f1 <- function(a, b, c, z) {
  term <- rep(1, length(a)); sum <- term; k <- 0
  repeat {
    term <- term * (a + k) * (b + k) / ((c + k) * (k + 1)) * z
    sum <- sum + term
    k <- k + 1
    if (max(term / sum) < 1e-13 || k > 20000) return(sum)
  }
}

score <- function(p, x, tx, t) {
  r <- p[1]; alpha <- p[2]; a <- p[3]; b <- p[4]
  alive <- ifelse(x == 0, 1, 1 / (1 + a / (b + pmax(x, 1) - 1) * ((alpha + t) / (alpha + tx)) ^ (r + x)))
  rest <- 1 - ((alpha + t) / (alpha + t + horizon)) ^ (r + x) *
    hyp2f1(r + x, b + x, a + b + x - 1, horizon / (alpha + t + horizon))
  list(alive = alive, expected = (a + b + x - 1) / (a - 1) * rest * alive)
}

# Of the processor, as on our side: other work on the machine does not count.
seconds <- function() sum(proc.time()[c("user.self", "sys.self")])
x <- base[, 1]; tx <- base[, 2]; t <- base[, 3]

start <- seconds()
all <- fit(x, tx, t, 1)
cat(sprintf("fit_s=%.3f\n", seconds() - start))
start <- seconds()
s <- score(exp(all$par), x, tx, t)
cat(sprintf("score_s=%.3f\nevaluations=%d\n", seconds() - start, all$counts[1] * 9))
cat(sprintf("log_likelihood=%.6f\nalive=%.4f\nexpected=%.4f\n", -all$value, sum(s$alive), sum(s$expected)))
cat(sprintf("parameters=%s\n", paste(sprintf("%.6f", exp(all$par)), collapse = " ")))

start <- seconds()
key <- order(x, tx, t)
d <- cbind(x, tx, t)[key, ]
new <- c(TRUE, rowSums(d[-1, ] != d[-nrow(d), ]) > 0)
n <- tabulate(cumsum(new))
grouped <- fit(d[new, 1], d[new, 2], d[new, 3], n)
cat(sprintf("grouped_fit_s=%.3f\ngrouped_log_likelihood=%.6f\n", seconds() - start, -grouped$value))
