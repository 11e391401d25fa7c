package wire

import "math"

// unit is how the values of a column are mapped to integers. Measured values
// are rarely arbitrary doubles: they are hundredths of a second, KiB, sectors.
type unit uint8

const (
	// rawBits takes the bit pattern of the double as the integer.
	rawBits unit = iota
	// one and the eight after it are multiples of 10^0 … 10^-9.
	one
	decimals9 = one + 9
	// The rest are multiples of powers of two.
	sectors = decimals9 + 1 // 512
	kibis   = sectors + 1   // 1024
	pages   = kibis + 1     // 4096

	units = pages + 1
)

// A value is integer × multiply ÷ divide, each step rounded as IEEE 754 does.
// inverse is 1 ÷ multiply, exactly.
var unitScale = [16]struct{ multiply, divide, inverse float64 }{
	one:       {1, 1, 1},
	one + 1:   {1, 1e1, 1},
	one + 2:   {1, 1e2, 1},
	one + 3:   {1, 1e3, 1},
	one + 4:   {1, 1e4, 1},
	one + 5:   {1, 1e5, 1},
	one + 6:   {1, 1e6, 1},
	one + 7:   {1, 1e7, 1},
	one + 8:   {1, 1e8, 1},
	decimals9: {1, 1e9, 1},
	sectors:   {512, 1, 1.0 / 512},
	kibis:     {1024, 1, 1.0 / 1024},
	pages:     {4096, 1, 1.0 / 4096},
}

// preference is the order in which units are tried for a column.
var preference = [...]unit{pages, kibis, sectors, one, one + 2, one + 3, one + 6, decimals9, one + 1, one + 4, one + 5, one + 7, one + 8}

// value returns the double that m stands for.
func (u unit) value(m int64) float64 {
	if u == rawBits {
		return math.Float64frombits(uint64(m))
	}
	s := &unitScale[u&15]
	return float64(m) * s.multiply / s.divide
}

// integer returns the m that stands for v, and whether there is one from which
// value gives back the very bits of v.
func (u unit) integer(v float64) (m int64, exact bool) {
	if u == rawBits {
		return int64(math.Float64bits(v)), true
	}
	s := &unitScale[u&15]
	x := v * s.inverse * s.divide
	if !(x > -MaxCount && x < MaxCount) {
		return 0, false
	}
	m = int64(x + math.Copysign(0.5, x))
	return m, math.Float64bits(float64(m)*s.multiply/s.divide) == math.Float64bits(v)
}

// chooseUnit returns the first unit of preference in which all values are
// exact, rawBits when there is none.
func chooseUnit(values []float64) unit {
next:
	for _, u := range preference {
		for _, v := range values {
			if _, exact := u.integer(v); !exact {
				continue next
			}
		}
		return u
	}
	return rawBits
}
