#!/usr/bin/python3
"""Writes tests/golden/insights/reference.csv: figures of the purchase-process models from the published formulas.

Those go through 2F1 and Tricomi's function, and are computed here with 120 digits (python3-mpmath), so that what
cancels in them cancels far behind the digits that are kept. Where a formula is 0 / 0 (a = 1, a + b + x = 1, s = 1) a
parameter is moved by 1e-40.

    reference.py > tests/golden/insights/reference.csv
"""
from mpmath import mp, mpf, beta, gamma, hyp2f1, hyperu, log, quad, inf, exp

mp.dps = 120
TINY = mpf(10) ** -40


def bg_alive(r, al, a, b, x, tx, T):
    return 1 if x == 0 else 1 / (1 + a / (b + x - 1) * ((al + T) / (al + tx)) ** (r + x))


def bg_expected(r, al, a, b, x, tx, T, t):
    a, b = a + TINY, b + 3 * TINY
    head = (a + b + x - 1) / (a - 1)
    rest = 1 - ((al + T) / (al + T + t)) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, t / (al + T + t))
    return head * rest * bg_alive(r, al, a, b, x, tx, T)


def bg_log(r, al, a, b, x, tx, T):
    one = beta(a, b + x) / beta(a, b) * gamma(r + x) * al ** r / gamma(r) / (al + T) ** (r + x)
    two = 0 if x == 0 else beta(a + 1, b + x - 1) / beta(a, b) * gamma(r + x) * al ** r / gamma(r) / (al + tx) ** (r + x)
    return log(one + two)


def pareto(r, al, s, be, x, tx, T):
    """Likelihood and P(alive)."""
    n = r + s + x
    if al >= be:
        part = lambda y: hyp2f1(n, s + 1, n + 1, (al - be) / (al + y)) / (al + y) ** n
    else:
        part = lambda y: hyp2f1(n, r + x, n + 1, (be - al) / (be + y)) / (be + y) ** n
    here = 1 / ((al + T) ** (r + x) * (be + T) ** s)
    left = s / n * (part(tx) - part(T))
    return gamma(r + x) * al ** r * be ** s / gamma(r) * (here + left), here / (here + left)


def pareto_expected(r, al, s, be, x, tx, T, t):
    s = s + TINY
    return ((r + x) * (be + T) / ((al + T) * (s - 1)) * (1 - ((be + T) / (be + T + t)) ** (s - 1))
            * pareto(r, al, s, be, x, tx, T)[1])


def dert(r, al, s, be, x, tx, T, d):
    likelihood = pareto(r, al, s, be, x, tx, T)[0]
    return (al ** r * be ** s * d ** (s - 1) * gamma(r + x + 1) * hyperu(s, s, d * (be + T))
            / (gamma(r) * (al + T) ** (r + x + 1) * likelihood))


def show(model, quantity, parameters, history, t, value):
    p = list(parameters) + list(history) + [t]
    print(",".join([model, quantity] + [repr(float(v)) for v in p] + [mp.nstr(value, 17)]))


print("model,quantity,p1,p2,p3,p4,x,t_x,T,t,value")
histories = [(0, 0, 30), (1, 5, 40), (2, 30.5, 38.75), (26, 30.875, 31), (100, 700, 730), (1000, 350, 364),
             (1000, 364, 364), (5000, 3000, 3650), (3, 1, 2000)]
bg = [(0.25, 4.5, 0.8, 2.5), (0.25, 4.5, 1.0, 2.5), (2.0, 50.0, 1.0, 1.0), (0.5, 10.0, 0.25, 0.75), (0.5, 10.0, 0.4, 0.6),
      (1.0, 20.0, 1.0000001, 3.0), (1.0, 20.0, 0.9999999, 3.0), (0.75, 7.0, 0.01, 0.99), (5.0, 200.0, 30.0, 2.0),
      (0.05, 0.5, 0.125, 40.0), (3.0, 0.25, 2.0, 900.0)]
for p in bg:
    m = [mpf(v) for v in p]
    for h in histories:
        g = [mpf(v) for v in h]
        show("bgnbd", "log", p, h, 0, bg_log(*m, h[0], *g[1:]))
        show("bgnbd", "alive", p, h, 0, bg_alive(*m, h[0], *g[1:]))
        for t in (0.125, 39, 365, 20000):
            show("bgnbd", "expected", p, h, t, bg_expected(*m, h[0], *g[1:], mpf(t)))
for p in [(0.5, 10.5, 0.6, 11.7), (0.5, 10.5, 1.0, 11.7), (2.0, 100.0, 0.5, 3.0), (0.25, 0.5, 1.5, 400.0),
          (1.0, 20.0, 0.999999, 20.0), (5.0, 0.125, 8.0, 2000.0)]:
    m = [mpf(v) for v in p]
    for h in histories:
        g = [mpf(v) for v in h]
        likelihood, alive = pareto(*m, h[0], *g[1:])
        show("pnbd", "log", p, h, 0, log(likelihood))
        show("pnbd", "alive", p, h, 0, alive)
        for t in (0.125, 39, 365, 20000):
            show("pnbd", "expected", p, h, t, pareto_expected(*m, h[0], *g[1:], mpf(t)))
        for rate in (0.0027, 0.1):
            show("pnbd", "dert", p, h, rate, dert(*m, h[0], *g[1:], mpf(rate)))
