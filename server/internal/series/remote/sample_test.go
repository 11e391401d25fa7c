package remote

import (
	"encoding/json"
	"testing"
)

// What a store answers is read without a panic, and a histogram that is read is
// one that the engine takes.
func FuzzSample(f *testing.F) {
	f.Add([]byte(`[1700000000.123,"1.5"]`))
	f.Add([]byte(`[1,{"count":"6","sum":"1","buckets":[[3,"-1e-9","1e-9","1"],[0,"1","1.0442737824274138","5"]]}]`))
	f.Add([]byte(`[1,{"count":"2","sum":"1","buckets":[[1,"-2","-1","1"],[0,"1","2","1"]]}]`))
	f.Add([]byte(`[1,""]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s sample
		if err := json.Unmarshal(b, &s); err != nil || s.h == nil {
			return
		}
		if err := s.h.Validate(); err != nil {
			t.Error(err)
		}
		for it := s.h.AllBucketIterator(); it.Next(); {
			_ = it.At()
		}
	})
}
