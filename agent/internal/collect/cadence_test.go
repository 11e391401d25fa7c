package collect

import "testing"

func TestCadence(t *testing.T) {
	type poll struct {
		now, due, missed int64
		run              bool
		elapsed          int64
	}
	for name, test := range map[string]struct {
		cadence cadence
		polls   []poll
	}{
		"every second": {start(10_300, 1000), []poll{
			{10_999, 0, 0, false, 0}, {11_000, 11_000, 0, true, 0}, {11_001, 0, 0, false, 0}, {12_003, 12_000, 0, true, 0},
		}},
		"a long interval begins at the next whole second": {start(12_300, 10_000), []poll{
			{13_000, 13_000, 0, true, 0}, {14_000, 0, 0, false, 0}, {20_000, 20_000, 0, true, 0}, {30_000, 30_000, 0, true, 0},
		}},
		"late": {start(10_300, 1000), []poll{
			{11_400, 11_000, 0, true, 0}, {12_000, 12_000, 0, true, 0},
		}},
		"so late that the next is near": {start(10_300, 1000), []poll{
			{11_600, 0, 1, false, 0}, {12_000, 12_000, 0, true, 0},
		}},
		"set forward by an hour": {start(10_300, 1000), []poll{
			{11_000, 11_000, 0, true, 0}, {3_611_100, 3_611_000, 3599, true, 0}, {3_612_000, 3_612_000, 0, true, 0},
		}},
		"set forward before the first": {start(12_300, 10_000), []poll{
			{40_000, 40_000, 3, true, 0}, // 13 s, 20 s and 30 s
		}},
		"set back by less than an interval": {start(10_300, 1000), []poll{
			{11_000, 11_000, 0, true, 0}, {11_200, 0, 0, false, 0}, {12_000, 12_000, 0, true, 0},
		}},
		"set back by an hour": {start(3_610_300, 1000), []poll{
			{3_611_000, 3_611_000, 0, true, 0}, {11_500, 0, 0, false, 0}, {12_000, 12_000, 0, true, 0}, {13_000, 13_000, 0, true, 0},
		}},
		"set back and past an instant since": {start(3_610_300, 1000), []poll{
			{3_611_000, 3_611_000, 0, true, 0}, {12_050, 12_000, 0, true, 700}, {13_000, 13_000, 0, true, 950},
		}},
		"another interval": {change(12_300, 5000), []poll{
			{14_999, 0, 0, false, 0}, {15_000, 15_000, 0, true, 0}, {20_000, 20_000, 0, true, 0},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, want := range test.polls {
				due, missed, run := test.cadence.poll(want.now, want.elapsed)
				if got := (poll{want.now, due, missed, run, want.elapsed}); got != want {
					t.Errorf("poll gave %+v, want %+v", got, want)
				}
			}
		})
	}
}

func TestStamp(t *testing.T) {
	type give struct {
		now, due, at int64
		late, ok     bool
	}
	for name, gives := range map[string][]give{
		"on time": {
			{11_000, 11_000, 11_000, false, true}, {12_020, 12_000, 12_000, false, true}, {13_021, 13_000, 13_021, true, true},
		},
		"no time twice": {
			{12_000, 11_000, 12_000, true, true}, {12_003, 12_000, 0, false, false}, {13_000, 13_000, 13_000, false, true},
		},
		"set back a little: wait": {
			{20_000, 20_000, 20_000, false, true}, {12_000, 12_000, 0, false, false}, {20_000, 20_000, 0, false, false},
			{21_000, 21_000, 21_000, false, true},
		},
		"set back far: go on beside the times there were": {
			{900_000, 900_000, 900_000, false, true}, {12_000, 12_000, 12_001, false, true}, {13_000, 13_000, 13_001, false, true},
		},
		"set back far twice": {
			{900_000, 900_000, 900_000, false, true}, {12_000, 12_000, 12_001, false, true}, {13_000, 13_000, 13_001, false, true},
			{12_000, 12_000, 12_002, false, true}, {13_000, 13_000, 13_002, false, true}, {901_000, 901_000, 901_000, false, true},
		},
		"set back between order and run": {
			{11_500, 900_000, 11_500, true, true}, {12_000, 12_000, 12_000, false, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s stamp
			for _, want := range gives {
				at, late, ok := s.give(want.now, want.due, 1000)
				if got := (give{want.now, want.due, at, late, ok}); got != want {
					t.Errorf("give gave %+v, want %+v", got, want)
				}
			}
		})
	}
}
