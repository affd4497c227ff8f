package balance

// Algorithm describes an algorithm for people.
type Algorithm struct {
	Name    string // in Settings
	Summary string // one line
	Source  string // where it comes from
}

// algorithm is a row of the table of all algorithms. open gets resolved
// Settings.
type algorithm struct {
	Algorithm
	open func(s Settings, seed uint64) Balancer
}

// algorithms is a function and not a variable: Settings.Check, which the rows'
// open functions reach, looks into it.
func algorithms() []algorithm {
	return []algorithm{
		{
			Algorithm{"classic", "idle hosts in turn, every 11th call probes an overloaded one", "the original Lars, load_balance.cpp"},
			func(s Settings, _ uint64) Balancer { return newClassic(s.Classic) },
		},
		{
			Algorithm{"elb", "classic with slow calls weighed as several errors and slower recovery", "Easy-Load-Balancer, the ancestor of Lars"},
			func(s Settings, _ uint64) Balancer { return newELB(s.Classic) },
		},
	}
}

// Algorithms lists all algorithms.
func Algorithms() []Algorithm {
	var list []Algorithm
	for _, a := range algorithms() {
		list = append(list, a.Algorithm)
	}
	return list
}

// Open makes a balancer without hosts. Equal settings, seeds and calls give
// equal picks; agents should differ in their seeds, or they march in step. The
// error says which setting has no meaning.
func Open(s Settings, seed uint64) (Balancer, error) {
	s, err := s.resolve()
	if err != nil {
		return nil, err
	}
	return find(s.Algorithm).open(s, seed), nil
}

func find(name string) *algorithm {
	for _, a := range algorithms() {
		if a.Name == name {
			return &a
		}
	}
	return nil
}

func names() []string {
	var list []string
	for _, a := range algorithms() {
		list = append(list, a.Name)
	}
	return list
}
