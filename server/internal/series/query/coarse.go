package query

import (
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"sonde.dev/sonde/internal/metricname"
	"sonde.dev/sonde/server/internal/series"
)

// plan is how a request is evaluated: over which samples, and as which
// expression.
type plan struct {
	storage storage.Queryable
	expr    string
	// window is the longest of the samples that may be read, 0 when all are as
	// taken.
	window time.Duration
}

// plan chooses the longest window with which the answer is still the one that
// samples as taken give. Of times before the oldest of these there is only what
// tiers have.
func (e *Engine) plan(req Request) plan {
	asTaken := plan{storage: e.storage, expr: req.Expr}
	if e.opts.Tiers == nil {
		return asTaken
	}
	expr, err := e.parser.ParseExpr(req.Expr)
	if err != nil {
		return asTaken // the engine says what is wrong
	}
	windows := e.opts.Tiers.Windows()
	var chosen time.Duration
	for _, window := range windows {
		if !answers(expr, req, window) {
			break
		}
		chosen = window
	}
	from, _ := promql.FindMinMaxTime(&parser.EvalStmt{
		Expr: expr, Start: req.Start, End: req.End, Interval: req.Step, LookbackDelta: max(req.Lookback, MaxLookback),
	})
	old := from < e.opts.Tiers.Oldest()
	if chosen == 0 && !old {
		return asTaken
	}
	p := plan{storage: e.opts.Tiers.At(chosen), expr: aggregated(expr).String(), window: chosen}
	if old {
		p.window = windows[len(windows)-1]
	}
	return p
}

// lookback is how long a sample may stand for its series.
func (p plan) lookback() time.Duration {
	return max(MaxLookback, 2*p.window+time.Second)
}

// answers is whether samples of a window give the answer that samples as taken
// do.
func answers(expr parser.Expr, req Request, window time.Duration) bool {
	answered := true
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok || !answered {
			return nil
		}
		answered = selectorAnswers(selector, path, req, window)
		return nil
	})
	return answered
}

func selectorAnswers(selector *parser.VectorSelector, path []parser.Node, req Request, window time.Duration) bool {
	start, step := req.Start, req.Step
	for _, above := range path {
		if sub, ok := above.(*parser.SubqueryExpr); ok {
			// Its steps are aligned to its own length; 0 is the engine's default.
			start, step = time.UnixMilli(0), max(sub.Step, time.Second)
		}
	}
	aligned := multiple(start, window) && step%window == 0 &&
		selector.OriginalOffset%window == 0 && selector.OriginalOffsetExpr == nil && selector.Timestamp == nil
	if n := len(path); n >= 2 {
		if matrix, ok := path[n-1].(*parser.MatrixSelector); ok {
			call, ok := path[n-2].(*parser.Call)
			if !ok || !functionAnswers(call.Func.Name, selector) || matrix.RangeExpr != nil {
				return false
			}
			// A window that the range holds in part is in it whole or not at all.
			if aligned && matrix.Range%window == 0 {
				return window <= matrix.Range
			}
			return 10*window <= matrix.Range
		}
	}
	if n := len(path); n > 0 {
		if call, ok := path[n-1].(*parser.Call); ok && call.Func.Name == "timestamp" {
			return false
		}
	}
	if req.Lookback > 0 && req.Lookback < window {
		return false
	}
	return step >= window
}

func multiple(t time.Time, of time.Duration) bool { return t.UnixMilli()%of.Milliseconds() == 0 }

// functionAnswers is whether a function over a range of a tier's samples yields
// what it yields of those as taken.
func functionAnswers(function string, selector *parser.VectorSelector) bool {
	switch function {
	case "rate", "increase", "resets":
		kind := typeOf(selector)
		return kind == metricname.Counter || kind == metricname.Histogram
	case "avg_over_time", "sum_over_time", "count_over_time", "min_over_time", "max_over_time":
		return typeOf(selector) == metricname.Gauge
	case "present_over_time", "absent_over_time":
		return true
	default:
		return false
	}
}

// typeOf is the type of a selector's metric, empty when it is not known.
func typeOf(selector *parser.VectorSelector) metricname.Type {
	for _, m := range selector.LabelMatchers {
		if m.Name != model.MetricNameLabel || m.Type != labels.MatchEqual {
			continue
		}
		if kind, ok := metricname.TypeOf(m.Value); ok {
			return kind
		}
		if series.IsCounter(m.Value) {
			return metricname.Counter
		}
		return ""
	}
	return ""
}

// aggregated has the functions that tiers have aggregates for ask for these.
func aggregated(expr parser.Expr) parser.Expr {
	for _, child := range children(expr) {
		*child = aggregated(*child)
	}
	call, ok := expr.(*parser.Call)
	if !ok || len(call.Args) != 1 {
		return expr
	}
	matrix, ok := call.Args[0].(*parser.MatrixSelector)
	if !ok {
		return expr
	}
	sum := func(aggregate string) parser.Expr {
		return &parser.Call{Func: parser.Functions["sum_over_time"], Args: parser.Expressions{asking(matrix, aggregate)}}
	}
	switch call.Func.Name {
	case "min_over_time":
		call.Args[0] = asking(matrix, series.Min)
	case "max_over_time":
		call.Args[0] = asking(matrix, series.Max)
	case "sum_over_time":
		return sum(series.Sum)
	case "count_over_time":
		return sum(series.Count)
	case "avg_over_time":
		return &parser.ParenExpr{Expr: &parser.BinaryExpr{
			Op: parser.DIV, LHS: sum(series.Sum), RHS: sum(series.Count),
			VectorMatching: &parser.VectorMatching{Card: parser.CardOneToOne},
		}}
	}
	return expr
}

// asking returns the range of an aggregate.
func asking(matrix *parser.MatrixSelector, aggregate string) *parser.MatrixSelector {
	selector := *matrix.VectorSelector.(*parser.VectorSelector)
	selector.LabelMatchers = append([]*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, series.Aggregate, aggregate)}, selector.LabelMatchers...)
	asking := *matrix
	asking.VectorSelector = &selector
	return &asking
}

// children are the places of the expressions within another.
func children(expr parser.Expr) (all []*parser.Expr) {
	switch n := expr.(type) {
	case *parser.AggregateExpr:
		all = []*parser.Expr{&n.Expr}
		if n.Param != nil {
			all = append(all, &n.Param)
		}
	case *parser.BinaryExpr:
		all = []*parser.Expr{&n.LHS, &n.RHS}
	case *parser.Call:
		for i := range n.Args {
			all = append(all, &n.Args[i])
		}
	case *parser.ParenExpr:
		all = []*parser.Expr{&n.Expr}
	case *parser.SubqueryExpr:
		all = []*parser.Expr{&n.Expr}
	case *parser.UnaryExpr:
		all = []*parser.Expr{&n.Expr}
	}
	return all
}
