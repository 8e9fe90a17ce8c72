flexc_unit_test(device_read LIBS flexc_frontend_device)
foreach(name plan_check plan_curve plan_make plan_oracle plan_rects plan_rows plan_text)
    flexc_unit_test(${name} LIBS flexc_planner flexc_test_nets)
endforeach()
