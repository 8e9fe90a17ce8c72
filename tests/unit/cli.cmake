flexc_unit_test(profile_fit LIBS flexc_cli)
